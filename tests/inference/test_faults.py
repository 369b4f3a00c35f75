"""What can go wrong around a loaded model: files that change, memory that runs out, memory that is not given back."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from inference import kv_cache
from inference.engine import Engine
from inference.errors import ModelFolderError, OutOfMemoryError
from inference.messages import Done, ReplyOptions, Text, Turn
from inference.model_folder import default_model_folder

GREEDY = ReplyOptions(temperature=0, max_tokens=8)
HI = [Turn.of("user", "Hi")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shutil.copytree(default_model_folder(), tmp_path / "model", ignore=shutil.ignore_patterns("training"))


@pytest.fixture
def engine(folder: Path) -> Iterator[Engine]:
    engine = Engine.open(folder, provider="cpu", threads=1)
    yield engine
    engine.close()


def replace(path: Path) -> None:
    """Put a file of the same content in another's place, as a new download does."""
    other = path.with_name("other")
    shutil.copyfile(path, other)
    os.utime(other, ns=(1, 1))
    os.replace(other, path)


def graph_data(folder: Path) -> Path:
    return next(folder.glob("onnx/decoder*_data"))


@pytest.mark.parametrize("change", ["replaced", "removed", "folder gone"])
def test_a_folder_that_changes_under_our_feet(engine: Engine, folder: Path, change: str) -> None:
    list(engine.reply(HI, GREEDY))
    if change == "folder gone":
        folder.rename(folder.with_name("moved"))
    elif change == "removed":
        graph_data(folder).unlink()
    else:
        replace(graph_data(folder))
    for work in (engine.reply(HI, GREEDY), engine.prepare(HI, GREEDY)):
        with pytest.raises(ModelFolderError, match=r"changed or removed since it was loaded\. Load it again"):
            next(work)
    if change == "folder gone":
        folder.with_name("moved").rename(folder)
        assert isinstance(list(engine.reply(HI, GREEDY))[-1], Done), "it is back: a disk was unplugged, say"


def test_files_of_others_in_the_folder_do_not_matter(engine: Engine, folder: Path) -> None:
    (folder / "notes.txt").write_text("mine")
    (folder / "onnx" / "vision_encoder.bak").write_text("old")
    assert isinstance(list(engine.reply(HI, GREEDY))[-1], Done)


def test_a_folder_that_changes_while_it_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from inference.language_model import LanguageModel

    real = LanguageModel.open.__func__  # type: ignore[attr-defined]

    def changing(cls: type[LanguageModel], *arguments: object, **settings: object) -> LanguageModel:
        model: LanguageModel = real(cls, *arguments, **settings)
        replace(graph_data(folder))
        return model

    monkeypatch.setattr(LanguageModel, "open", classmethod(changing))
    with pytest.raises(ModelFolderError, match="was changed while it was loaded"):
        Engine.open(folder, provider="cpu", threads=1)


def test_too_little_memory_to_load(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object, **settings: object) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(kv_cache.np, "zeros", fail)
    with pytest.raises(OutOfMemoryError, match="not enough memory"):
        Engine.open(folder, provider="cpu", threads=1)


def test_too_little_memory_in_the_middle_of_a_reply(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    before = [event for event in engine.reply(HI, GREEDY) if isinstance(event, Text)]
    real = np.zeros

    def fail(shape: object, *arguments: object, **settings: object) -> np.ndarray:
        if isinstance(shape, tuple) and len(shape) == 4 and shape[2] > 512:
            raise MemoryError
        return real(shape, *arguments, **settings)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(kv_cache.np, "zeros", fail)
    with pytest.raises(OutOfMemoryError, match="start a new chat"):
        list(engine.reply([Turn.of("user", "Tell me more. " * 200)], GREEDY))
    assert [event for event in engine.reply(HI, GREEDY) if isinstance(event, Text)] == before
    monkeypatch.undo()
    assert isinstance(list(engine.reply([Turn.of("user", "Tell me more. " * 200)], GREEDY))[-1], Done)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is one of Linux")
def test_the_system_refuses_memory(project_root: Path) -> None:
    """For real: the process may take no more."""
    program = """
import resource
import numpy as np
from pathlib import Path
from inference.errors import OutOfMemoryError
from inference.kv_cache import CacheSpec, KVCache

cache = KVCache({"past_key_values.0.key": CacheSpec(16, 512, np.float32)}, 1 << 20)
pages = int(Path("/proc/self/statm").read_text().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (256 << 20),) * 2)
try:
    cache.reserve(100_000)
except OutOfMemoryError as error:
    print(error)
cache.reserve(600)
print(cache.capacity)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=project_root, capture_output=True, text=True, timeout=120, check=True
    )
    sentence, capacity = done.stdout.splitlines()
    assert sentence.startswith("There is not enough memory for a conversation of this length.")
    assert capacity == "1024"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_is_left_behind(project_root: Path) -> None:
    """A few cycles of ``tests/measure_memory.py``, which does hundreds when it is started by hand."""
    command = [sys.executable, "tests/measure_memory.py", "--cycles", "12", "--turns", "80", "--samples", "4"]
    done = subprocess.run(command, cwd=project_root, capture_output=True, text=True, timeout=300, check=True)
    measured = json.loads(done.stdout)
    for name in ("unloaded", "answered"):
        _, first, *_, last = measured[name]
        assert last - first < 8, f"{name}: {measured}"
