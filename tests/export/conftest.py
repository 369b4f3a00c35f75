"""Tests of the export room need its extra."""

import pytest

pytest.importorskip("torch", reason="these tests need the export extra")
pytest.importorskip("transformers", reason="these tests need the export extra")
