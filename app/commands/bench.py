"""``bench``: how fast is this machine?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import EXPORT_COMMAND, add_engine_options, lacks_export_extra
from app.commands.streams import printable, remark

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from inference.bench_encoders import EncoderPeer
    from inference.bench_peers import Peer


def add_to(commands: Subparsers) -> None:
    """Add the command."""
    bench = commands.add_parser("bench", help="measure how fast this machine is")
    bench.add_argument(
        "what",
        nargs="?",
        choices=("model", "encoders", "media", "gui"),
        help="only one: the language model, the encoders, what is done to media before them, or the window",
    )
    bench.add_argument("--gui", action="store_true", help="the same as the argument gui")
    bench.add_argument("--runs", type=int, default=5, metavar="N", help="runs of each measurement (5)")
    bench.add_argument("--prefill", type=int, default=512, metavar="N", help="tokens of the prefill measurement (512)")
    bench.add_argument(
        "--depths",
        type=int,
        nargs="+",
        default=[32, 1000, 4096],
        metavar="N",
        help="tokens in the cache at which decoding is measured (32 1000 4096)",
    )
    bench.add_argument("--json", type=Path, metavar="FILE", help="also write the measurements to FILE")
    bench.add_argument(
        "--against",
        nargs="+",
        action="append",
        default=[],
        metavar="PEER",
        help="measure another engine in turn: “llama.cpp LLAMA_BENCH MODEL.gguf”, or “transformers CHECKPOINT”",
    )
    add_engine_options(bench)
    bench.set_defaults(run=run)


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Measure what was asked for and print it while it comes."""
    if options.runs < 1:
        parser.error("argument --runs: must be at least 1")
    if options.gui or options.what == "gui":
        from app.gui_bench import measure_gui

        for figure in measure_gui(min(options.runs, 3)):
            print(figure.line, flush=True)
        return 0
    if options.prefill < 1 or min(options.depths) < 1:
        parser.error("arguments --prefill and --depths: must be at least 1")
    from inference import bench, bench_encoders
    from inference.bench_results import Measurement, table, write_json
    from inference.output_files import check_output

    if options.json is not None:
        check_output(options.json)  # before minutes of measuring
    measured: list[Measurement] = []
    try:
        if options.what in (None, "model"):
            peers = peers_against(options, parser)
            figures = bench.measure_model(
                options.model, options.runs, prefill=options.prefill, depths=options.depths, peers=peers
            )
            for line in table(figures, measured):
                print(printable(line), flush=True)
            del peers
        if options.what in (None, "encoders"):
            for line in table(
                bench_encoders.measure_encoders(options.model, options.runs, peer=encoder_peer(options)), measured
            ):
                print(printable(line), flush=True)
    finally:  # what was measured for minutes is not lost because something failed after it
        if options.json is not None and measured:
            write_json(options.json, bench.about(options.model), measured)
    if options.what in (None, "media"):
        from inference.media import bench as media_bench

        media_bench.main(["--runs", str(options.runs)])
    return 0


def peers_against(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Peer]:
    """Return the engines that ``--against`` names; one that needs what is not installed is left out with a sentence."""
    from inference.bench_peers import LlamaCpp

    peers: list[Peer] = []
    for name, *paths in options.against:
        if name == "llama.cpp" and len(paths) == 2:
            peers.append(LlamaCpp(Path(paths[0]), Path(paths[1])))
        elif name == "transformers" and len(paths) == 1:
            try:
                from inference.export.bench_peer import Transformers
            except ModuleNotFoundError as error:
                _say_left_out(error)
            else:
                peers.append(Transformers(Path(paths[0])))
        else:
            parser.error("argument --against: takes llama.cpp LLAMA_BENCH MODEL.gguf, or transformers CHECKPOINT")
    return peers


def encoder_peer(options: argparse.Namespace) -> EncoderPeer | None:
    """Return transformers' encoders, if ``--against`` names a checkpoint and transformers is installed."""
    for name, *paths in options.against:
        if name == "transformers" and len(paths) == 1:
            try:
                from inference.export.bench_peer import TransformersEncoders
            except ModuleNotFoundError as error:
                _say_left_out(error)
            else:
                return TransformersEncoders(Path(paths[0]))
    return None


def _say_left_out(error: ModuleNotFoundError) -> None:
    if not lacks_export_extra(error):
        raise error
    remark(f"transformers is left out: {error.name} is not installed. The export extra brings it: {EXPORT_COMMAND}")
