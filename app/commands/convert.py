"""``convert``: a checkpoint becomes a model folder."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import EXPORT_COMMAND, add_verbose_option, lacks_export_extra
from app.commands.streams import remark

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers


def add_to(commands: Subparsers) -> None:
    """Add the command."""
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
        "--lm-head",
        choices=("q8",),
        help="keep the matrix that makes logits in 8 bits where --precision says 4: closer to the checkpoint, slower",
    )
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
    convert.add_argument("--report", action="store_true", help=argparse.SUPPRESS)  # for the window
    add_verbose_option(convert)
    convert.set_defaults(run=run)


def run(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Convert, and compare if asked to; an installed Larimar does it with an environment of its own."""
    from app import export_environment
    from app.paths import Paths
    from app.terminal_output import ProgressLine

    if options.report:
        return _run_reporting(options)
    sources = export_environment.packaged_sources()
    if sources is not None:
        folder = Paths.of_user().data / "export-environment"
        return export_environment.convert(_rest(options), sources, folder, agreed=options.install)

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
                    lm_head=options.lm_head,
                    portable=options.provider == "any",
                    fresh=options.fresh,
                )
    except KeyboardInterrupt:
        remark("Stopped. The same command goes on where it stopped.")
        return 130
    except ModuleNotFoundError as error:
        if not lacks_export_extra(error):
            raise
        remark(
            f"larimar: Converting needs {error.name}, which is not installed; install the export extra: "
            f"{EXPORT_COMMAND}"
        )
        return 1
    if options.check:
        from inference.export.check import check_folder, table

        with ProgressLine(log_stages=True) as progress:
            rows = check_folder(options.checkpoint, options.out, progress.show, drafter=options.drafter)
        print(table(rows))
        if not all(row.passed for row in rows):
            remark(f"{options.out} does not do what the checkpoint does: see “TOO FAR OFF”.")
            return 1
    remark(f"{options.out} is ready: start Larimar with --model to use it.")
    return 0


def _rest(options: argparse.Namespace) -> list[str]:
    """Return what the environment's own ``convert`` is told."""
    following = options.command_line[options.command_line.index("convert") + 1 :]
    return [each for each in following if each != "--install"]


def _run_reporting(options: argparse.Namespace) -> int:
    """Convert as a child of the window: say on standard output how far it is, and stop when standard input ends."""
    from app import export_environment
    from app.conversion_report import Failed, Needs, Reporter
    from app.paths import Paths
    from inference.errors import LarimarError

    reporter = Reporter()
    sources = export_environment.packaged_sources()
    if sources is None and find_spec("torch") is None:
        sources = export_environment.checkout_sources()
    folder = Paths.of_user().data / "export-environment"
    try:
        if sources is not None:
            if not options.install and not export_environment.is_ready(sources, folder):
                reporter.say(Needs(export_environment.SENTENCE.format(folder=folder)))
                return 1
            if not export_environment.is_ready(sources, folder):
                reporter.show("Installing PyTorch and transformers")
            return export_environment.convert(_rest(options), sources, folder, agreed=True)
        from inference.export.add_drafter import add_drafter
        from inference.export.convert import convert_checkpoint
        from inference.export.drafter_checkpoint import is_drafter

        reporter.watch(sys.stdin)
        if is_drafter(options.checkpoint):
            add_drafter(options.checkpoint, options.out, reporter.show)
        else:
            convert_checkpoint(
                options.checkpoint, options.out, options.precision or "q4", reporter.show, drafter=options.drafter
            )
    except KeyboardInterrupt:
        return 130
    except LarimarError as error:
        reporter.say(Failed(str(error)))
        return 1
    except ModuleNotFoundError as error:
        if not lacks_export_extra(error):
            raise
        reporter.say(Failed(f"Converting needs {error.name}, which is not installed: {EXPORT_COMMAND}"))
        return 1
    return 0
