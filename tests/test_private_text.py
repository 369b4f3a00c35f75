"""What the user writes on the command line, and what other users see of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.commands.private_text import private_spans

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("arguments", "hidden"),
    [
        (["--ask", "secret", "--new-chat"], {1: 0}),
        (["--new-chat", "--ask=secret"], {1: 6}),
        (["--ask"], {}),
        (["--ask-screen"], {}),
        (["--model", "dir"], {}),
        (["ask", "secret"], {1: 0}),
        (["ask", "--image", "a.png", "secret"], {2: 0, 3: 0}),
        (["--verbose", "ask", "--system", "secret", "more"], {3: 0, 4: 0}),
        (["chat", "--system=secret"], {1: 9}),
        (["chat", "--sys", "secret"], {2: 0}),
        (["describe", "a.png", "--question", "secret"], {3: 0}),
        (["--ask", "ask", "--new-chat"], {1: 0}),
        (["convert", "a", "b"], {}),
    ],
)
def test_what_the_user_wrote_is_known(arguments: list[str], hidden: dict[int, int]) -> None:
    assert private_spans(arguments) == hidden


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize(
    "arguments", [["--ask", "ein sécret 秘密"], ["--ask=ein sécret 秘密"], ["ask", "ein sécret 秘密"]]
)
def test_others_do_not_see_it_in_the_list_of_processes(arguments: list[str]) -> None:
    program = (
        "import sys, threading\n"
        "import main\n"
        "from app.commands import talk, window\n"
        "def shown(options, parser):\n"
        "    text = options.text if hasattr(options, 'text') else options.ask\n"
        "    print(ascii(open('/proc/self/cmdline').read()), ascii(text), sep='\\n')\n"
        "    return 0\n"
        "window.run = talk.run_ask = shown\n"
        "main.main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "--verbose", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )
    seen, text = done.stdout.splitlines()
    assert "sécret" not in seen
    assert "\\xe9cret" not in seen
    assert "--verbose" in seen
    assert text == ascii("ein sécret 秘密")


def test_arguments_that_are_not_of_this_process_change_nothing() -> None:
    program = "from app.commands.private_text import hide_private_text; hide_private_text(['--ask', 'x' * 100000])"
    subprocess.run([sys.executable, "-c", program, "--ask", "y"], cwd=ROOT, check=True)
