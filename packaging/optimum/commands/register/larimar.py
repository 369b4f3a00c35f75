"""``optimum-cli export larimar``: found by Optimum's command line, which loads every module of this namespace."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from optimum.commands.base import BaseOptimumCLICommand, CommandInfo
from optimum.commands.export.base import ExportCommand


class LarimarExportCommand(BaseOptimumCLICommand):
    """Hands over to Larimar's own exporter."""

    COMMAND = CommandInfo(name="larimar", help="Export Gemma 4 to ONNX with Larimar.")

    @staticmethod
    def parse_args(parser: ArgumentParser) -> None:
        """Add the arguments; nothing heavy is imported for them."""
        parser.add_argument("-m", "--model", type=Path, required=True, help="folder of the checkpoint")
        parser.add_argument("output", type=Path, help="model folder to write")
        parser.add_argument("--precision", choices=("q4", "q8", "q4f16", "fp16", "fp32"), default="q4")
        parser.add_argument("--task", default="text-generation-with-past")

    def run(self) -> None:
        """Convert; a checkpoint that cannot be converted ends the program with a sentence."""
        from inference.errors import LarimarError
        from inference.export.optimum_tasks import exporter_config

        try:
            exporter_config(self.args.model, self.args.task).export(
                self.args.model, self.args.output, self.args.precision
            )
        except (LarimarError, ValueError, KeyError, OSError) as error:
            sys.exit(f"larimar: {error}")


REGISTER_COMMANDS = [(LarimarExportCommand, ExportCommand)]
