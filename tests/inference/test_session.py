"""Opening graphs: what they run on, why not on something else, and how loading ends early."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from inference.cancellation import CancelToken
from inference.doctor import ADD_GRAPH
from inference.errors import LoadCancelledError, ModelFolderError, OutOfMemoryError, RuntimeSetupError
from inference.graphs import providers, session
from inference.graphs.session import open_session, provider_name


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "add.onnx"
    path.write_bytes(ADD_GRAPH)
    return path


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_failure", "")


class _Runtime:
    """ONNX Runtime on a machine with CUDA libraries; sessions on CUDA may fail."""

    def __init__(self, cuda_error: str = "", falls_back: bool = False) -> None:
        import onnxruntime

        self.SessionOptions = onnxruntime.SessionOptions
        self.RunOptions = onnxruntime.RunOptions
        self.preloaded = 0
        self.opened: list[list[str]] = []
        self._cuda_error, self._falls_back = cuda_error, falls_back

    def get_available_providers(self) -> list[str]:
        return [providers.CUDA, providers.CPU]

    def preload_dlls(self) -> None:
        self.preloaded += 1

    def InferenceSession(self, *_: Any, providers: list[str]) -> Any:
        self.opened.append(providers)
        if self._cuda_error and len(providers) > 1:
            raise RuntimeError(self._cuda_error)
        used = providers[-1:] if self._falls_back else providers
        return SimpleNamespace(get_providers=lambda: used)


def _use(monkeypatch: pytest.MonkeyPatch, runtime: _Runtime, driver: bool = True) -> _Runtime:
    for module in (providers, session):
        monkeypatch.setattr(module, "import_onnxruntime", lambda: runtime)
    monkeypatch.setattr(providers, "_driver_found", lambda: driver)
    providers.preload_cuda.cache_clear()
    return runtime


def test_sessions_run_on_as_many_threads_as_there_are_cores(graph: Path) -> None:
    from inference import processor

    assert open_session(graph, "cpu").get_session_options().intra_op_num_threads == processor.threads()
    assert open_session(graph, "cpu", threads=1).get_session_options().intra_op_num_threads == 1


def test_cuda_libraries_are_loaded_once_and_before_the_first_session(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _use(monkeypatch, _Runtime())
    assert provider_name(open_session(graph)) == "CUDA"
    assert provider_name(open_session(graph, "cuda")) == "CUDA"
    assert runtime.preloaded == 1


def test_the_cpu_needs_no_cuda_libraries(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = _use(monkeypatch, _Runtime())
    assert provider_name(open_session(graph, "cpu")) == "CPU"
    assert (runtime.preloaded, runtime.opened) == (0, [[providers.CPU]])


def test_a_full_gpu_leaves_the_work_to_the_cpu_and_says_so(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = _use(monkeypatch, _Runtime("CUDA failure 2: out of memory"))
    assert provider_name(open_session(graph)) == "CPU"
    assert runtime.opened == [[providers.CUDA, providers.CPU], [providers.CPU]]
    assert "memory" in providers.why_not_cuda()


def test_cuda_that_was_asked_for_is_not_replaced(graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _use(monkeypatch, _Runtime("CUDA failure 2: out of memory"))
    with pytest.raises(OutOfMemoryError):
        open_session(graph, "cuda")
    _use(monkeypatch, _Runtime(falls_back=True))
    with pytest.raises(RuntimeSetupError, match="GPU"):
        open_session(graph, "cuda")


def test_without_a_driver_the_cpu_computes_as_if_there_were_no_cuda(
    graph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = _use(monkeypatch, _Runtime(falls_back=True), driver=False)
    assert provider_name(open_session(graph)) == "CPU"
    assert (runtime.preloaded, runtime.opened) == (0, [[providers.CPU]])
    assert "driver" in providers.why_not_cuda()
    with pytest.raises(RuntimeSetupError, match="driver"):
        open_session(graph, "cuda")


def test_a_driver_that_is_not_there_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_DRIVER", "libno-such-driver.so")
    assert not providers._driver_found()


def test_a_runtime_without_cuda_is_named() -> None:
    import onnxruntime

    if providers.CUDA in onnxruntime.get_available_providers():
        pytest.skip("this runtime has CUDA")
    assert "CPU" in providers.why_not_cuda()
    assert providers.wanted_providers("auto") == [providers.CPU]


def test_cuda_that_is_not_installed_is_refused(graph: Path) -> None:
    import onnxruntime

    if providers.CUDA in onnxruntime.get_available_providers():
        pytest.skip("this runtime has CUDA")
    with pytest.raises(RuntimeSetupError, match="the installed ONNX Runtime is the one for the CPU"):
        open_session(graph, "cuda")


def test_loading_ends_when_it_is_cancelled(graph: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(LoadCancelledError):
        open_session(graph, "cpu", cancel=cancel)
    assert open_session(graph, "cpu", cancel=CancelToken()).get_inputs()


def test_a_damaged_graph_is_named(graph: Path) -> None:
    graph.write_bytes(ADD_GRAPH[: len(ADD_GRAPH) // 2])
    with pytest.raises(ModelFolderError, match="add"):
        open_session(graph)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_weights_that_are_a_link_elsewhere_are_found(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    folder, elsewhere = tmp_path / "model", tmp_path / "blobs"
    folder.mkdir()
    elsewhere.mkdir()
    weight = onnx.numpy_helper.from_array(np.ones(4096, np.float32), "w")
    value = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [4096])
    node = onnx.helper.make_node("Identity", ["w"], ["y"])
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [value], [weight]), ir_version=10)
    options = {"save_as_external_data": True, "location": "g.onnx_data", "size_threshold": 0}
    onnx.save(model, folder / "g.onnx", **options)
    (folder / "g.onnx_data").rename(elsewhere / "blob")
    (folder / "g.onnx_data").symlink_to(elsewhere / "blob")
    (values,) = open_session(folder / "g.onnx", "cpu", threads=1).run(None, {})
    assert (values == 1).all()
