"""What the journeys share that somebody speaks in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.model_folder import ModelFolder
from journeys.program import ROOT
from journeys.sound import Sound, missing, sound


@pytest.fixture
def hearing_model() -> Path:
    """A model that hears: the demo, or the one that the environment names."""
    folder = Path(os.environ.get("LARIMAR_HEARING_MODEL") or ROOT / "resources" / "demo_model")
    if "audio" not in ModelFolder.open(folder).modalities:
        pytest.skip("the demo model does not hear")
    return folder


@pytest.fixture
def heard(child_environment: dict[str, str], tmp_path: Path) -> Iterator[Sound]:
    """A sound server whose microphone hears what the test plays."""
    if absent := missing():
        if os.environ.get("CI"):
            pytest.fail(f"{absent} not installed")
        pytest.skip(f"{absent} not installed")
    with sound({name: value for name, value in child_environment.items() if name != "LD_LIBRARY_PATH"}, tmp_path) as on:
        yield on
