"""``doctor`` and ``check-update``: is everything as it should be?"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from app.commands.arguments import add_engine_options
from app.commands.streams import printable, remark

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers


def add_to(commands: Subparsers) -> None:
    """Add both commands."""
    update = commands.add_parser("check-update", help="ask once whether a newer version is there")
    update.set_defaults(run=run_check_update)

    doctor = commands.add_parser("doctor", help="check this machine and this installation")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    add_engine_options(doctor)
    doctor.set_defaults(run=run_doctor)


def run_check_update(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Ask once for the newest version."""
    from app import update_check

    if not update_check.allowed():
        print("This Larimar is kept up to date by the store or the system that it was installed from.")
        return 0
    remark(f"Asking {update_check.RELEASE_URL}")
    release = update_check.newest_release()
    found = printable(f"Larimar {release.version} is there: {release.page}")
    print(found if release.newer else "This is the newest version.")
    return 0


def run_doctor(options: argparse.Namespace, parser: argparse.ArgumentParser) -> int:
    """Check this machine and this installation."""
    from app.display import window_problem
    from inference import doctor

    return doctor.run(model=options.model, window_problem=window_problem(), as_json=options.json)
