"""The set-up scripts, with stand-ins for Python, pip, apt and nvidia-smi that only note what they are asked."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from app.display import DEBIAN_PACKAGES

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the scripts for Windows are PowerShell")

# Stands in for the system's Python and for the one in the environment: "installs" by making the wheels' folders.
PYTHON = r"""#!/bin/sh
echo "python $*" >>"$STAND_IN_LOG"
here=$(cd "$(dirname "$0")/.." && pwd)
site=$here/lib/python3.11/site-packages
case "$1 $2 $3" in
    "-m venv --clear") rm -rf "$4"; mkdir -p "$4/bin"; cp "$0" "$4/bin/python"; : >"$4/pyvenv.cfg" ;;
    "-m pip --version") [ -e "$here/pyvenv.cfg" ] ;;
    "-m pip show") ls -d "$site/$(echo "$5" | tr - _)-"*.dist-info ;;
    "-m pip uninstall") rm -rf "$site"/onnxruntime* ;;
    "-m pip install")
        [ ! -e "$STAND_IN_LOG.fail" ] || exit 1
        mkdir -p "$site"
        case $* in
            *gpu*) mkdir -p "$site/onnxruntime_gpu-1.dist-info" ;;
            *) mkdir -p "$site/onnxruntime-1.dist-info" ;;
        esac ;;
    "-c "*) : ;;
    *) shift; printf 'started:'; printf ' [%s]' "$@"; echo ;;
esac
"""

NOTE = '#!/bin/sh\necho "$(basename "$0") $*" >>"$STAND_IN_LOG"\n'


class Checkout:
    """A copy of the scripts in a folder of their own, and the stand-ins before everything else on PATH."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.tools = folder / "tools"
        self.log = folder / "log"
        shutil.copytree(ROOT / "packaging", self.root / "packaging")
        shutil.copy(ROOT / "pyproject.toml", self.root)
        self.tools.mkdir()
        self.tool("python3", PYTHON)
        self.tool("apt-get", NOTE)
        self.tool("nvidia-smi", "#!/bin/sh\nexit 9\n")
        everything = "\n".join(
            f"\t{line.split()[1]} (libc6,x86-64) => /lib/x"
            for line in (ROOT / "packaging" / "system_run.txt").read_text().splitlines()
        )
        self.tool("ldconfig", f"#!/bin/sh\ncat <<'END'\n{everything}\nEND\n")

    @property
    def environment(self) -> Path:
        return self.root / ".venv"

    def tool(self, name: str, script: str) -> None:
        path = self.tools / name
        path.write_text(script)
        path.chmod(0o755)

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``run.sh``; the log then holds what only this run asked for."""
        self.log.write_text("")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LARIMAR_")}
        environment |= {"PATH": f"{self.tools}:/usr/bin:/bin", "STAND_IN_LOG": str(self.log), **variables}
        return subprocess.run(
            ["sh", str(self.root / "packaging" / "run.sh"), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def asked(self, words: str) -> bool:
        return words in self.log.read_text()

    def wheels(self) -> list[str]:
        return sorted(path.name for path in self.environment.glob("lib/python3*/site-packages/onnxruntime*"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


@pytest.fixture
def nvidia_gpu(checkout: Checkout) -> Callable[[], None]:
    def plug_in() -> None:
        checkout.tool("nvidia-smi", NOTE + "echo 'GPU 0: A GPU (UUID: GPU-0)'\n")
        checkout.tool("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo Linux x86_64\n")

    return plug_in


@pytest.mark.parametrize("script", ["environment.sh", "run.sh", "test.sh", "check_fresh_root.sh"])
def test_scripts_are_well_formed(script: str) -> None:
    subprocess.run(["sh", "-n", str(ROOT / "packaging" / script)], check=True)


def test_first_start_installs_and_passes_arguments_through(checkout: Checkout) -> None:
    result = checkout.run("ask", "two words", "")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "started: [ask] [two words] []\n"
    assert checkout.asked("-m pip install")
    assert checkout.asked("-c packaging/constraints.txt -e .[cpu]")
    assert not checkout.asked("apt-get")


def test_second_start_installs_nothing(checkout: Checkout) -> None:
    checkout.run()
    result = checkout.run("doctor")
    assert result.stdout == "started: [doctor]\n"
    assert result.stderr == ""
    assert not checkout.asked("pip")


@pytest.mark.parametrize("file", ["pyproject.toml", "packaging/constraints.txt"])
def test_changed_requirements_install_again(checkout: Checkout, file: str) -> None:
    checkout.run()
    with (checkout.root / file).open("a") as requirements:
        requirements.write("# changed\n")
    checkout.run()
    assert checkout.asked("-m pip install")


def test_gpu_is_chosen_where_nvidia_smi_answers(checkout: Checkout, nvidia_gpu: Callable[[], None]) -> None:
    nvidia_gpu()
    checkout.run()
    assert checkout.asked("-e .[gpu]")
    checkout.run()
    assert not checkout.asked("nvidia-smi"), "the slow question is asked once"


def test_gpu_is_not_chosen_where_nvidia_smi_finds_none(checkout: Checkout, nvidia_gpu: Callable[[], None]) -> None:
    nvidia_gpu()
    checkout.tool("nvidia-smi", "#!/bin/sh\necho 'No devices were found'\nexit 6\n")
    checkout.run()
    assert checkout.asked("-e .[cpu]")


def test_new_gpu_replaces_the_wheel(checkout: Checkout, nvidia_gpu: Callable[[], None]) -> None:
    checkout.run()
    assert checkout.wheels() == ["onnxruntime-1.dist-info"]
    nvidia_gpu()
    checkout.run()
    assert checkout.wheels() == ["onnxruntime_gpu-1.dist-info"]
    checkout.run(LARIMAR_EXTRA="cpu")
    assert checkout.wheels() == ["onnxruntime-1.dist-info"]


def test_second_wheel_installed_by_hand_is_removed(checkout: Checkout) -> None:
    checkout.run()
    next(checkout.environment.glob("lib/python3*/site-packages")).joinpath("onnxruntime_gpu-1.dist-info").mkdir()
    checkout.run()
    assert checkout.wheels() == ["onnxruntime-1.dist-info"]


def test_failed_installation_says_so_and_is_repeated(checkout: Checkout) -> None:
    failure = Path(f"{checkout.log}.fail")
    failure.touch()
    result = checkout.run()
    assert result.returncode == 1
    assert "type the same command again" in result.stderr
    assert "started" not in result.stdout
    failure.unlink()
    result = checkout.run()
    assert result.returncode == 0
    assert not checkout.asked("-m venv"), "a failure that pip reports leaves the environment usable"


def test_interrupted_installation_starts_afresh(checkout: Checkout) -> None:
    checkout.run()
    ended = subprocess.Popen(["true"])
    ended.wait()
    (checkout.environment / "installing").write_text(f"{ended.pid}\n")
    (checkout.environment / "larimar-stamp").unlink()
    half_written = checkout.environment / "half"
    half_written.touch()
    result = checkout.run()
    assert result.returncode == 0
    assert checkout.asked("-m venv")
    assert not half_written.exists()
    assert not (checkout.environment / "installing").exists()


def test_two_installations_do_not_meet(checkout: Checkout) -> None:
    checkout.environment.mkdir()
    (checkout.environment / "installing").write_text(f"{os.getpid()}\n")
    result = checkout.run()
    assert result.returncode == 1
    assert "Another installation" in result.stderr


def test_folder_that_is_no_environment_is_left_alone(checkout: Checkout, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    result = checkout.run(LARIMAR_VENV=str(precious))
    assert result.returncode == 1
    assert "LARIMAR_VENV" in result.stderr
    assert (precious / "file").exists()


def test_missing_system_libraries_are_installed_as_root(checkout: Checkout) -> None:
    checkout.tool("ldconfig", "#!/bin/sh\n")
    checkout.tool("id", "#!/bin/sh\necho 0\n")
    checkout.tool("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo Linux x86_64\n")
    result = checkout.run()
    assert result.returncode == 0
    assert checkout.asked(f"apt-get install -y -q --no-install-recommends {' '.join(DEBIAN_PACKAGES)}\n")


def test_without_root_the_line_is_printed_and_the_start_goes_on(checkout: Checkout) -> None:
    checkout.tool("ldconfig", "#!/bin/sh\n")
    checkout.tool("id", "#!/bin/sh\necho 1000\n")
    checkout.tool("sudo", "#!/bin/sh\nexit 1\n")
    checkout.tool("uname", "#!/bin/sh\n[ $1 = -s ] && echo Linux || echo Linux x86_64\n")
    result = checkout.run()
    assert "sudo apt-get install -y --no-install-recommends libglib2.0-0" in result.stderr
    assert not checkout.asked("apt-get")
    assert "started" in result.stdout


def test_too_old_python_is_named(checkout: Checkout) -> None:
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14"):
        checkout.tool(name, "#!/bin/sh\nexit 1\n")
    result = checkout.run()
    assert result.returncode == 1
    assert "needs Python 3.11" in result.stderr


def test_system_packages_are_the_ones_the_program_names() -> None:
    lines = (ROOT / "packaging" / "system_run.txt").read_text().splitlines()
    assert tuple(line.split()[2] for line in lines) == DEBIAN_PACKAGES


def test_constraints_pin_without_hosts_and_local_builds() -> None:
    lines = (ROOT / "packaging" / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(line.count("==") == 1 and not set(line) & set("/@+ ") for line in pins)
    assert "torch==2.13.0" in pins


@pytest.mark.parametrize("script", sorted((ROOT / "packaging").glob("*.sh")), ids=lambda script: script.name)
def test_every_script_is_valid(script: Path) -> None:
    done = subprocess.run(["sh", "-n", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["check_flatpak.sh", "check_fresh_root.sh", "check_package.sh"])
def test_a_check_without_arguments_says_how_it_is_used(name: str) -> None:
    done = subprocess.run(["sh", ROOT / "packaging" / name], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"sh packaging/{name}" in done.stderr
    assert "#" not in done.stderr.split("sh packaging")[0]
