"""Larimar's command line: reads the arguments and hands over; nothing heavy is imported before it is needed."""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inference.version import __version__

if TYPE_CHECKING:
    from inference.bench_encoders import EncoderPeer
    from inference.bench_peers import Peer
    from inference.messages import Part, ReplyOptions

EXPORT_PACKAGES = frozenset({"torch", "transformers", "optimum", "onnx", "onnxscript", "onnx_ir", "safetensors"})
"""What the ``export`` extra installs, by import name."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run Larimar and return its exit code: 0 done, 1 a problem (said in one sentence), 2 usage, 130 interrupted."""
    multiprocessing.freeze_support()
    parser = build_parser()
    options = parser.parse_args(arguments)
    options.command_line = list(sys.argv[1:] if arguments is None else arguments)
    _use_utf8()
    if options.verbose:
        _log_to_stderr()
    from inference.errors import LarimarError

    try:
        return int(options.run(options, parser))
    except LarimarError as error:
        logging.getLogger("main").debug("The cause:", exc_info=error)
        print(f"larimar: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader went away (`larimar ask … | head -1`); keep the interpreter from complaining at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; ``run`` in what it parses is the function to call with the options and the parser."""
    parser = argparse.ArgumentParser(
        prog="larimar",
        description="A desktop assistant that sees, hears and answers, wholly on your own machine.",
        epilog="Without a command the window opens; where there is no display, the chat runs in the terminal.",
    )
    parser.add_argument("--version", action="version", version=f"Larimar {__version__}")
    _add_engine_options(parser, top=True)
    window = parser.add_argument_group("the window", "One window is open at a time: a second start tells the first.")
    window.add_argument("--new-chat", action="store_true", help="begin another conversation")
    window.add_argument("--ask", metavar="TEXT", type=_not_empty, help="ask this in a new conversation")
    window.add_argument("--quit", action="store_true", help="close the window that is open")
    parser.set_defaults(run=_window)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    ask = commands.add_parser("ask", help="answer one question in the terminal")
    ask.add_argument("text", nargs="?", help="the question; - reads it from standard input")
    for medium in ("image", "audio", "video"):
        ask.add_argument(f"--{medium}", metavar="FILE", type=Path, action="append", default=[], help=f"attach {medium}")
    _add_reply_options(ask)
    _add_engine_options(ask)
    ask.set_defaults(run=_ask)

    chat = commands.add_parser("chat", help="chat in the terminal")
    _add_reply_options(chat)
    _add_engine_options(chat)
    chat.set_defaults(run=_chat)

    convert = commands.add_parser("convert", help="turn a Gemma 4 checkpoint into a model folder")
    convert.add_argument(
        "checkpoint",
        type=Path,
        help="folder of the checkpoint, in Hugging Face layout; a drafter’s is added to the model folder OUT",
    )
    convert.add_argument("out", type=Path, help="model folder to write")
    convert.add_argument(
        "--drafter", metavar="DIR", type=Path, help="checkpoint of the model’s drafter, which makes answers faster"
    )
    convert.add_argument(
        "--precision",
        choices=("q4", "q8", "q4f16", "fp16", "fp32"),
        help="of the weights; f16: and of activations and KV cache (default: q4; q4f16 for --provider cuda)",
    )
    convert.add_argument(
        "--provider",
        choices=("cpu", "cuda", "any"),
        default="cpu",
        help="what the model will run on; cpu and cuda: on ONNX Runtime, as Larimar does, with its own operators; any: "
        "standard ONNX operators only, for other runtimes, slower in Larimar (default: %(default)s)",
    )
    convert.add_argument(
        "--block-size",
        type=int,
        choices=(16, 32, 64, 128, 256),
        default=32,
        help="quantised weights that share a scale (default: %(default)s)",
    )
    convert.add_argument("--asymmetric", action="store_true", help="give quantised blocks zero points")
    convert.add_argument(
        "--check",
        action="store_true",
        help="then compare the graphs with transformers; a model folder OUT that is there already is only checked",
    )
    convert.add_argument(
        "--install",
        action="store_true",
        help="in an installed Larimar: install PyTorch and transformers, which converting needs, without asking",
    )
    convert.add_argument("--fresh", action="store_true", help="do not go on with what an interrupted run left")
    _add_verbose_option(convert)
    convert.set_defaults(run=_convert)

    update = commands.add_parser("check-update", help="ask once whether a newer version is there")
    update.set_defaults(run=_check_update)

    doctor = commands.add_parser("doctor", help="check this machine and this installation")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    _add_engine_options(doctor)
    doctor.set_defaults(run=_doctor)

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
    _add_engine_options(bench)
    bench.set_defaults(run=_bench)
    return parser


def _add_engine_options(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    # An option of a command must not set back to its default what was given before the command.
    unset = None if top else argparse.SUPPRESS
    parser.add_argument("--model", metavar="DIR", type=Path, default=unset, help="model folder to load")
    _add_verbose_option(parser, top=top)


def _add_verbose_option(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    parser.add_argument(
        "--verbose",
        action="store_true",
        default=False if top else argparse.SUPPRESS,
        help="log what happens to standard error; never what you or the model say",
    )


def _add_reply_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--provider", choices=("auto", "cpu", "cuda"), default="auto", help="what to compute on (default: %(default)s)"
    )
    parser.add_argument("--think", action="store_true", help="let the model think before it answers")
    parser.add_argument("--system", metavar="TEXT", help="system prompt")
    sampling = parser.add_argument_group("sampling", "Where one is not given, the model's own setting applies.")
    sampling.add_argument(
        "--temperature",
        metavar="T",
        type=_number(float, "0 or more", lambda value: 0 <= value < float("inf")),
        help="0 always takes the likeliest token",
    )
    sampling.add_argument(
        "--top-k", metavar="K", type=_number(int, "0 or more", lambda value: value >= 0), help="0 switches it off"
    )
    sampling.add_argument(
        "--top-p",
        metavar="P",
        type=_number(float, "above 0, at most 1", lambda value: 0 < value <= 1),
        help="1 switches it off",
    )
    sampling.add_argument(
        "--min-p",
        metavar="P",
        type=_number(float, "0 or more, at most 1", lambda value: 0 <= value <= 1),
        help="never draw what is less likely than this share of the likeliest; 0 switches it off",
    )
    sampling.add_argument(
        "--seed",
        metavar="N",
        type=_number(int, "0 or more", lambda value: value >= 0),
        help="makes an answer repeatable",
    )
    sampling.add_argument(
        "--max-tokens",
        metavar="N",
        type=_number(int, "1 or more", lambda value: value >= 1),
        help="longest answer, in tokens",
    )
    parser.add_argument(
        "--stop",
        metavar="TEXT",
        type=_not_empty,
        action="append",
        default=[],
        help="end the answer before this text (may be repeated)",
    )
    parser.add_argument(
        "--json-schema", metavar="FILE", type=Path, help="answer in JSON that the schema in this file admits"
    )


def _number(kind: type[int] | type[float], range_words: str, valid: Callable[[float], bool]) -> Callable[[str], float]:
    """Return a reader of one number for argparse that says which range it takes."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not valid(value):
            whole = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text!r} is not {whole} {range_words}")
        return value

    return read


def _not_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _window(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from app.display import window_problem

    problem = window_problem()
    if problem is not None:
        if options.ask:
            return _ask(parser.parse_args(["ask", options.ask], namespace=options), parser)
        print(f"{problem} The chat goes on here in the terminal.", file=sys.stderr)
        return _chat(parser.parse_args(["chat"], namespace=options), parser)
    if sys.platform == "win32":
        # Qt brings an older C++ runtime; loaded first, it keeps ONNX Runtime's library from starting.
        import onnxruntime  # noqa: F401
    from app.application import run
    from app.single_instance import Wishes

    return run(options.model, wishes=Wishes(options.new_chat, options.ask or "", options.quit))


def _ask(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from inference.messages import Audio, Image, Text, Video

    text = sys.stdin.read().strip() if options.text == "-" else (options.text or "").strip()
    # Media come before the text that asks about them, as Gemma was trained.
    parts: list[Part] = [Image(path) for path in options.image]
    parts += [Video(path) for path in options.video]
    parts += [Audio(path) for path in options.audio]
    if text:
        parts.append(Text(text))
    if not parts:
        parser.error("ask needs a question, or - to read it from standard input")
    from app.terminal import EngineThread, ask

    engine = EngineThread(options.model, options.provider)
    return ask(engine, parts, system=options.system, options=_reply_options(options))


def _chat(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from app.terminal import EngineThread, chat

    engine = EngineThread(options.model, options.provider)
    return chat(engine, system=options.system, options=_reply_options(options))


def _convert(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from app import export_environment
    from app.terminal_output import ProgressLine

    sources = export_environment.packaged_sources()
    if sources is not None:
        from app.paths import Paths

        following = options.command_line[options.command_line.index("convert") + 1 :]
        rest = [each for each in following if each != "--install"]
        folder = Paths.of_user().data / "export-environment"
        return export_environment.convert(rest, sources, folder, agreed=options.install)

    try:
        from inference.export.add_drafter import add_drafter
        from inference.export.convert import convert_checkpoint
        from inference.export.drafter_checkpoint import is_drafter

        adds_drafter = options.drafter is None and is_drafter(options.checkpoint)
        if adds_drafter and options.check:
            parser.error("--check takes the model’s own checkpoint; give the drafter’s with --drafter")
        with ProgressLine(log_stages=True) as progress:
            if options.check and (options.out / "larimar.json").is_file():
                pass
            elif adds_drafter:
                add_drafter(options.checkpoint, options.out, progress.show)
            else:
                convert_checkpoint(
                    options.checkpoint,
                    options.out,
                    options.precision or ("q4f16" if options.provider == "cuda" else "q4"),
                    progress.show,
                    drafter=options.drafter,
                    block_size=options.block_size,
                    symmetric=not options.asymmetric,
                    portable=options.provider == "any",
                    fresh=options.fresh,
                )
    except KeyboardInterrupt:
        print("Stopped. The same command goes on where it stopped.", file=sys.stderr)
        return 130
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXPORT_PACKAGES:
            raise
        print(
            f"larimar: Converting needs {error.name}, which is not installed; install the export extra: "
            'pip install -c packaging/constraints.txt -e ".[export]"',
            file=sys.stderr,
        )
        return 1
    if options.check:
        from inference.export.check import check_folder, table

        with ProgressLine(log_stages=True) as progress:
            rows = check_folder(options.checkpoint, options.out, progress.show, drafter=options.drafter)
        print(table(rows))
        if not all(row.passed for row in rows):
            print(f"{options.out} does not do what the checkpoint does: see “TOO FAR OFF”.", file=sys.stderr)
            return 1
    print(f"{options.out} is ready: start Larimar with --model to use it.", file=sys.stderr)
    return 0


def _check_update(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from app import update_check

    if not update_check.allowed():
        print("This Larimar is kept up to date by the store or the system that it was installed from.")
        return 0
    print(f"Asking {update_check.RELEASE_URL}", file=sys.stderr)
    release = update_check.newest_release()
    print(f"Larimar {release.version} is there: {release.page}" if release.newer else "This is the newest version.")
    return 0


def _doctor(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    from app.display import window_problem
    from inference import doctor

    return doctor.run(model=options.model, window_problem=window_problem(), as_json=options.json)


def _bench(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
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

    measured: list[Measurement] = []
    if options.what in (None, "model"):
        peers = _bench_peers(options, parser)
        figures = bench.measure_model(
            options.model, options.runs, prefill=options.prefill, depths=options.depths, peers=peers
        )
        for line in table(figures, measured):
            print(line, flush=True)
        del peers
    if options.what in (None, "encoders"):
        for line in table(
            bench_encoders.measure_encoders(options.model, options.runs, peer=_encoder_peer(options)), measured
        ):
            print(line, flush=True)
    if options.json is not None:
        write_json(options.json, bench.about(options.model), measured)
    if options.what in (None, "media"):
        from inference.media import bench as media_bench

        media_bench.main(["--runs", str(options.runs)])
    return 0


def _bench_peers(options: argparse.Namespace, parser: argparse.ArgumentParser) -> list[Peer]:
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


def _encoder_peer(options: argparse.Namespace) -> EncoderPeer | None:
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
    if (error.name or "").partition(".")[0] not in EXPORT_PACKAGES:
        raise error
    print(
        f"transformers is left out: {error.name} is not installed. The export extra brings it: "
        'pip install -c packaging/constraints.txt -e ".[export]"',
        file=sys.stderr,
    )


def _reply_options(options: argparse.Namespace) -> ReplyOptions:
    from inference.messages import ReplyOptions

    return ReplyOptions(
        temperature=options.temperature,
        top_k=options.top_k,
        top_p=options.top_p,
        min_p=options.min_p,
        seed=options.seed,
        max_tokens=options.max_tokens,
        stop=tuple(options.stop),
        json_schema=None if options.json_schema is None else _json_schema(options.json_schema),
        thinking=options.think,
    )


def _json_schema(path: Path) -> dict[str, Any]:
    import json

    from inference.errors import SchemaError

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SchemaError(f"The file {path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise SchemaError(f"{path} is no JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise SchemaError(f"{path} holds no JSON schema: that begins with a brace.")
    return schema


def _use_utf8() -> None:
    """Make pipes and old consoles carry every language."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S"))
    for name in ("main", "app", "inference"):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)


if __name__ == "__main__":
    sys.exit(main())
