"""Holds a converted folder against transformers: ``main.py convert … --check``.

A check is a list of probes; each graph brings its own. A probe runs a graph and the module that it stands for on the
same input and returns rows of a table. Where weights were rounded, transformers gets the rounded ones, and activations
are kept in full precision in our graphs too: what is left is an error of ours, and there is a limit to it. How much
the rounding itself changes is told in a row of its own, which has no limit.

Some models magnify the rounding of float32 itself until two right answers differ by more than the limit. So what is
beyond it is compared with transformers in float64 as well, and may be some times as far from that as transformers in
float32 is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime
import torch
from numpy.typing import NDArray

from inference.errors import CheckpointError, LarimarError, ModelFolderError
from inference.export.checkpoint import Checkpoint
from inference.export.drafter_checkpoint import open_drafter
from inference.export.graph_files import Progress, Reporter
from inference.export.quantize import BLOCK_SIZE, BLOCK_SIZES
from inference.export.weights import PRECISIONS, Precision, WeightPlan
from inference.foreign_names import display_name
from inference.model_folder import ModelFolder

_LIMITS: dict[Precision, float] = {"fp32": 2e-4, "q4": 1e-3, "q8": 1e-3, "fp16": 3e-2, "q4f16": 3e-2}
"""Most that outputs may differ, as a share of their spread (root mean squares)."""

_PROMPT = "Write one sentence about each of these: the sea, a lighthouse, 1,984 lamps, and def f(x): return x + 1."
_TOKENS = 48
_LAYER_ROWS = 24
_HEAD_ROWS = 4096
_SHARE_OF_MEMORY = 0.6
_TIMES_NOISE = 4.0
"""How many times as far from the truth we may be as transformers is: the orders of two sums are two throws of a die."""
_MOST_NOISE = 0.05
"""Where float32 is farther from the truth than that, nothing can be told any more."""


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    probe: str
    against: str
    """What it was compared with."""
    difference: float
    """Root mean square of the difference over that of the expected values about their mean."""
    agreement: str = ""
    """How many of the likeliest tokens are the same."""
    limit: float | None = None
    """Most that ``difference`` may be; ``None`` for a row that only informs."""

    @property
    def passed(self) -> bool:
        """Whether the difference is within its limit; one that is no number is not."""
        return self.limit is None or self.difference <= self.limit


@dataclass
class CheckContext:
    """What probes have to work with."""

    source: Checkpoint
    folder: ModelFolder
    plan: WeightPlan
    report: Progress
    memory: int
    """Bytes that a probe may use for the weights of a reference."""
    limit: float = field(init=False)

    def __post_init__(self) -> None:
        self.limit = _LIMITS[self.plan.precision]

    def session(self, graph: str, cut: Callable[[ir.Model], ir.Model] | None = None) -> onnxruntime.InferenceSession:
        """Open a graph of the folder, or what ``cut`` makes of it, with activations in full precision."""
        file = self.folder.graph(graph)
        model = ir.load(file)
        if cut is not None:
            model = cut(model)
        for node in model.graph.all_nodes():
            if "accuracy_level" in node.attributes:
                node.attributes["accuracy_level"] = ir.AttrInt64("accuracy_level", 0)
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # the same for products that the runtime finds in standard operators
        options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "0")
        # the model lies elsewhere, its weights stay where they are
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(file.parent))
        content = ir.serde.serialize_model(model).SerializeToString()
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def judged(
        self,
        probe: str,
        against: str,
        found: NDArray[Any],
        reference: Callable[[torch.dtype], NDArray[Any]],
        agreement: Callable[[NDArray[Any], NDArray[Any]], str] = lambda found, expected: "",
        limit: float | None = None,
        size: int | None = None,
    ) -> Row:
        """Compare what a graph gave with a reference in float32, and where that is beyond the limit, in float64.

        Args:
            probe: for the row.
            against: for the row.
            found: what the graph gave.
            reference: gives the reference, computed in a dtype.
            agreement: counts the likeliest tokens that are the same.
            limit: another than the precision's own.
            size: bytes of the reference's weights in float32; None: of the whole text model.
        """
        limit = self.limit if limit is None else limit
        expected = reference(torch.float32)
        apart = difference(found, expected)
        size = _reference_bytes(self.source) if size is None else size
        if apart > limit and 2 * size <= self.memory:
            with exact_arithmetic():
                exact = reference(torch.float64)
            noise = min(_MOST_NOISE, difference(expected, exact))
            apart, limit = difference(found, exact), max(limit, _TIMES_NOISE * noise)
            expected, against = exact, f"{against}, float64"
        return Row(probe, against, apart, agreement(found, expected), limit)


@contextmanager
def exact_arithmetic() -> Iterator[None]:
    """Within the block, transformers computes in float64 where it asks for float32: ``Tensor.float`` in its norms."""
    original = torch.Tensor.float
    torch.Tensor.float = torch.Tensor.double
    try:
        yield
    finally:
        torch.Tensor.float = original


Probe = Callable[[CheckContext], Iterable[Row]]
"""Runs one graph; yields nothing where it does not apply."""


def check_folder(
    checkpoint: Path,
    out: Path,
    progress: Progress | None = None,
    memory: int | None = None,
    drafter: Path | None = None,
) -> list[Row]:
    """Compare a folder that we converted with the checkpoint that it was made from.

    Args:
        checkpoint: folder of the checkpoint.
        out: the model folder.
        progress: called with the name of the stage and the fraction of it that is done.
        memory: bytes that the reference may take; by default a part of what is free. Models that are larger are
            checked layer by layer.
        drafter: folder of the drafter's checkpoint, to check the folder's drafter as well.

    Returns:
        The rows; the check has passed when all of them have.

    Raises:
        CheckpointError: the checkpoint is missing or damaged.
        ModelFolderError: the folder is missing, damaged, or not one that we converted.
    """
    folder = ModelFolder.open(out)
    source = Checkpoint(checkpoint)
    recorded = folder.record.get("quantization")
    if not isinstance(recorded, dict) or recorded.get("precision") not in PRECISIONS:
        raise ModelFolderError(f"{out} does not say how it was converted, so that it cannot be checked.")
    block_size, lm_head = recorded.get("block_size", BLOCK_SIZE), recorded.get("lm_head")
    if block_size not in BLOCK_SIZES or lm_head not in (None, "q8"):
        raise ModelFolderError(f"{out} says something impossible about how it was converted; it cannot be checked.")
    plan = WeightPlan(source, recorded["precision"], int(block_size), bool(recorded.get("symmetric", True)), lm_head)
    context = CheckContext(source, folder, plan, Reporter(progress), _free_memory() if memory is None else memory)
    rows: list[Row] = []
    with _sentences():
        for probe in PROBES:
            rows += probe(context)
            gc.collect()
        from inference.export.check_media import probe_media  # it needs the context, which is made here

        rows += probe_media(context)
        if drafter is not None:
            from inference.export.check_drafter import probe_drafter

            rows += probe_drafter(context, open_drafter(drafter, source.text_config))
    return rows


@contextmanager
def _sentences() -> Iterator[None]:
    """Within the block, what ONNX Runtime, torch or transformers say of a folder or a checkpoint becomes a sentence."""
    try:
        yield
    except (LarimarError, MemoryError):
        raise
    except Exception as error:
        raise LarimarError(
            f"The comparison could not be made ({type(error).__name__}: {display_name(str(error), 300)}). Convert the "
            "checkpoint again; if that does not help, please report this."
        ) from error


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a table for people."""
    lines = [("Probe", "Compared with", "Difference", "Same token", "Limit", "")]
    for row in rows:
        limit = "" if row.limit is None else f"{row.limit:.0e}"
        verdict = "" if row.limit is None else ("ok" if row.passed else "TOO FAR OFF")
        lines.append((row.probe, row.against, f"{row.difference:.1e}", row.agreement, limit, verdict))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


# -- probes ------------------------------------------------------------------------------------------------------------


def probe_embedder(context: CheckContext) -> Iterator[Row]:
    """Look up a prompt."""
    config, prefix = context.source.text_config, context.source.text_prefix
    context.report("Checking the embedder", 0.0)
    ids = prompt(context)
    session = context.session("embed_tokens")
    found = session.run(["inputs_embeds"], {"input_ids": ids[None]})[0][0]
    name = f"{prefix}embed_tokens.weight"
    expected = np.stack([_effective_row(context, name, int(token)) for token in ids]) * config.hidden_size**0.5
    yield Row("embedder", "the checkpoint's rows", difference(found, expected), "", context.limit)


def probe_text(context: CheckContext) -> Iterator[Row]:
    """Run a prompt through the whole model."""
    if _reference_bytes(context.source) > context.memory:
        return
    ids = prompt(context)
    context.report("Checking text", 0.0)
    found = _logits(context, ids)
    against = "transformers" if context.plan.precision == "fp32" else "transformers, weights rounded alike"
    yield context.judged(
        f"text, {len(ids)} tokens",
        against,
        found,
        lambda dtype: _reference_logits(context, ids, context.plan.effective, dtype),
        _same,
    )
    if context.plan.precision != "fp32":
        context.report("Checking text", 0.5)
        expected = _reference_logits(context, ids, lambda name, table=False: context.source.read(name))
        yield Row("  effect of the rounding", "transformers", difference(found, expected), _same(found, expected))


def probe_layers(context: CheckContext) -> Iterator[Row]:
    """Run one layer of each kind by itself, where the whole model is too large, and the head on part of its rows."""
    if _reference_bytes(context.source) <= context.memory:
        return
    source, config = context.source, context.source.text_config
    _eager(config)
    owners = config.num_hidden_layers - getattr(config, "num_kv_shared_layers", 0)
    with torch.device("meta"):
        model = source.family.causal_lm(config).eval()
    kinds: dict[Any, int] = {}
    for index, layer in enumerate(model.model.layers):
        kinds.setdefault((config.layer_types[index], index >= owners, layer.mlp.intermediate_size), index)
    hidden = _some_states(context)
    for number, index in enumerate(kinds.values()):
        context.report("Checking layers", number / (len(kinds) + 1))
        inputs = _LayerInputs(context, index, owners, hidden)
        layer = model.model.layers[index]
        label = config.layer_types[index].replace("_", " ") + (", shared keys" if index >= owners else "")
        yield context.judged(
            f"layer {index} ({label})",
            "transformers' layer",
            _our_layer(context, index, inputs),
            partial(_reference_layer, context, layer, index, inputs),
            size=4 * sum(value.numel() for value in layer.state_dict().values()),
        )
        layer.to("meta")
    context.report("Checking layers", len(kinds) / (len(kinds) + 1))
    yield _probe_head(context, hidden)


PROBES: tuple[Probe, ...] = (probe_embedder, probe_text, probe_layers)
"""What ``--check`` runs on every model; those of encoders and drafter come on top."""


# -- how ---------------------------------------------------------------------------------------------------------------


def difference(found: NDArray[Any], expected: NDArray[Any]) -> float:
    """Return the root mean square of the difference as a share of the spread of ``expected``."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    return float(np.sqrt(np.square(found - expected).mean()) / max(float(expected.std()), 1e-30))


def _same(found: NDArray[Any], expected: NDArray[Any]) -> str:
    same = int((found.argmax(-1) == expected.argmax(-1)).sum())
    return f"{same} of {len(found)}"


def prompt(context: CheckContext) -> NDArray[np.int64]:
    """Return tokens of a real sentence, then random ones, so that tokenizers of any vocabulary give variety."""
    from tokenizers import Tokenizer

    config = context.source.text_config
    try:
        sentence = Tokenizer.from_file(str(context.folder.tokenizer_path)).encode(_PROMPT).ids
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library's panics are no Exceptions
        raise CheckpointError(f"{context.folder.tokenizer_path} cannot be read: it is damaged.") from error
    random = np.random.default_rng(0).integers(0, config.vocab_size, _TOKENS)
    ids = [2, *(token for token in sentence[: _TOKENS // 2] if token < config.vocab_size)]
    return np.array([*ids, *random[: _TOKENS - len(ids)]], np.int64)


def _reference_bytes(source: Checkpoint) -> int:
    """Return what the text model takes in float32, an untied head included."""
    names = [name for name in source.names() if name.startswith(source.text_prefix)]
    config = source.text_config
    return 4 * (sum(prod(source.shape(name)) for name in names) + int(config.vocab_size) * int(config.hidden_size))


def _free_memory() -> int:
    try:
        content = Path("/proc/meminfo").read_text(encoding="ascii")
        kilobytes = next(int(line.split()[1]) for line in content.splitlines() if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        kilobytes = 4 << 20  # elsewhere: small models as a whole, the others by layers
    return int(kilobytes * 1024 * _SHARE_OF_MEMORY)


def _empty_cache(session: onnxruntime.InferenceSession) -> dict[str, NDArray[Any]]:
    dtypes = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
    return {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), dtypes[node.type])
        for node in session.get_inputs()
        if node.name.startswith("past_key_values.")
    }


def _positions(length: int) -> dict[str, NDArray[np.int64]]:
    return {"attention_mask": np.ones((1, length), np.int64), "position_ids": np.arange(length)[None]}


def _logits(context: CheckContext, ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the logits of our graphs after each token, [S, V]."""
    logits: NDArray[np.float32] = decoder_outputs(context, ids, ["logits"])["logits"][0]
    return logits


def decoder_outputs(context: CheckContext, ids: NDArray[np.int64], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Run embedder and decoder over a prompt, all rows kept, and return outputs of the decoder by name."""
    embedder = context.session("embed_tokens")
    names = [output.name for output in embedder.get_outputs()]
    rows = dict(zip(names, embedder.run(names, {"input_ids": ids[None]}), strict=True))
    decoder = context.session("decoder_model_merged")
    feeds = {**rows, **_empty_cache(decoder), **_positions(len(ids))}
    return dict(zip(outputs, decoder.run(list(outputs), feeds), strict=True))


def _reference_logits(
    context: CheckContext,
    ids: NDArray[np.int64],
    read: Callable[..., NDArray[np.float32]],
    dtype: torch.dtype = torch.float32,
) -> NDArray[Any]:
    """Return the logits of transformers with the weights that ``read`` gives, [S, V]."""
    source, config = context.source, context.source.text_config
    _eager(config, dtype)
    with torch.device("meta"):
        model = source.family.causal_lm(config).eval()
    state: dict[str, torch.Tensor] = {}
    for name in model.model.state_dict():
        table = name.startswith("embed_tokens")
        state[f"model.{name}"] = torch.from_numpy(np.array(read(f"{source.text_prefix}{name}", table=table))).to(dtype)
    lm_head = torch.from_numpy(np.array(read(source.lm_head))).to(dtype)
    model.load_state_dict(state, strict=False, assign=True)
    model.lm_head.weight = torch.nn.Parameter(lm_head)
    make_rest(model, source)
    with torch.no_grad():
        logits: NDArray[Any] = model(input_ids=torch.from_numpy(ids[None])).logits[0].numpy()
    return logits


def _eager(config: Any, dtype: torch.dtype = torch.float32) -> None:
    """Have transformers compute in its plainest way; in float64 with the attention that does not round to float32.

    Its experts otherwise go through a kernel that takes some widths only.
    """
    config._attn_implementation = "eager" if dtype is torch.float32 else "sdpa"
    config._experts_implementation = "eager"


def make_rest(model: Any, source: Checkpoint) -> None:
    """Compute the buffers that no checkpoint holds: scales of embeddings, frequencies of the rotary embedding."""
    real = source.family.rotary_embedding(source.text_config)
    for module_name, module in model.named_modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if hasattr(module, "scalar_embed_scale"):
                value = torch.tensor(module.scalar_embed_scale)
            elif module_name.endswith("rotary_emb"):
                value = getattr(real, name)
            else:
                raise LarimarError(f"The reference cannot be built: the buffer {module_name}.{name} is unknown.")
            module.register_buffer(name, value, persistent=False)


def _some_states(context: CheckContext) -> NDArray[np.float32]:
    """Return states to send through single layers, [1, S, H]: the embeddings of a prompt."""
    ids = prompt(context)[:_LAYER_ROWS]
    states: NDArray[np.float32] = context.session("embed_tokens").run(["inputs_embeds"], {"input_ids": ids[None]})[0]
    return states


class _LayerInputs:
    """What one layer reads: states, its per-layer input, and for a layer without keys of its own those of a donor."""

    def __init__(self, context: CheckContext, index: int, owners: int, hidden: NDArray[np.float32]) -> None:
        config = context.source.text_config
        generator = np.random.default_rng(index)
        length = hidden.shape[1]
        self.hidden = hidden
        self.layer_type = str(config.layer_types[index])
        self.shared: dict[str, NDArray[np.float32]] = {}
        if index >= owners:
            donor = max(other for other in range(owners) if config.layer_types[other] == self.layer_type)
            layer = config.per_layer_config[donor]
            shape = (1, layer.num_key_value_heads, length, layer.head_dim)
            self.shared = {
                f"present.{donor}.{part}": generator.standard_normal(shape).astype(np.float32)
                for part in ("key", "value")
            }
        size = getattr(config, "hidden_size_per_layer_input", 0)
        self.looked_up: NDArray[np.float32] | None = None
        if size:
            self.looked_up = generator.standard_normal((1, length, config.num_hidden_layers, size)).astype(np.float32)


def _reference_layer(
    context: CheckContext, layer: Any, index: int, inputs: _LayerInputs, dtype: torch.dtype
) -> NDArray[Any]:
    source, config = context.source, context.source.text_config
    _eager(config, dtype)
    prefix = f"{source.text_prefix}layers.{index}."
    state = {
        name: torch.from_numpy(np.array(context.plan.effective(prefix + name))).to(dtype) for name in layer.state_dict()
    }
    layer.load_state_dict(state, assign=True)
    hidden = torch.from_numpy(inputs.hidden.copy()).to(dtype)
    length = hidden.shape[1]
    positions = torch.arange(length)[None]
    distance = positions[0, :, None] - positions[0, None, :]
    visible = distance >= 0
    if inputs.layer_type == "sliding_attention":
        visible &= distance < config.sliding_window
    mask = torch.zeros(1, 1, length, length, dtype=dtype).masked_fill(~visible, torch.finfo(torch.float32).min)
    rotary = source.family.rotary_embedding(config)
    keywords: dict[str, Any] = {}
    if inputs.looked_up is not None:
        keywords["per_layer_input"] = _per_layer_input(context, inputs, index).to(dtype)
    shared = tuple(torch.from_numpy(part).to(dtype) for part in inputs.shared.values())
    with torch.no_grad():
        output: NDArray[Any] = layer(
            hidden,
            shared_kv_states={inputs.layer_type: shared},
            position_embeddings=rotary(hidden, positions, inputs.layer_type),
            attention_mask=mask,
            **keywords,
        ).numpy()
    return output


def _per_layer_input(context: CheckContext, inputs: _LayerInputs, index: int) -> torch.Tensor:
    """Combine what was looked up with the projection of the input embeddings, as the whole model does."""
    source, config = context.source, context.source.text_config
    with torch.device("meta"):
        text_model = source.family.causal_lm(config).eval().model
    names = ("per_layer_model_projection.weight", "per_layer_projection_norm.weight")
    state = {name: torch.from_numpy(np.array(context.plan.effective(source.text_prefix + name))) for name in names}
    text_model.load_state_dict(state, strict=False, assign=True)
    with torch.no_grad():
        combined = text_model.project_per_layer_inputs(
            torch.from_numpy(inputs.hidden), torch.from_numpy(np.asarray(inputs.looked_up))
        )
    one: torch.Tensor = combined[:, :, index]
    return one


def _our_layer(context: CheckContext, index: int, inputs: _LayerInputs) -> NDArray[np.float32]:
    before = "inputs_embeds" if index == 0 else f"layers.{index - 1}.hidden"
    output = f"layers.{index}.hidden"
    session = context.session("decoder_model_merged", lambda model: _cut(model, [before, *inputs.shared], [output]))
    types = {node.name: node.type for node in session.get_inputs()}
    feeds: dict[str, NDArray[Any]] = {
        "inputs_embeds": inputs.hidden,
        before: inputs.hidden,
        **inputs.shared,
        **_empty_cache(session),
        **_positions(inputs.hidden.shape[1]),
    }
    if inputs.looked_up is not None:
        feeds["per_layer_inputs"] = inputs.looked_up
    feeds = {
        name: value.astype(np.float16) if types[name] == "tensor(float16)" else value
        for name, value in feeds.items()
        if name in types
    }
    states: NDArray[np.float32] = session.run([output], feeds)[0]
    return states


def _probe_head(context: CheckContext, hidden: NDArray[np.float32]) -> Row:
    source, config = context.source, context.source.text_config
    before = f"layers.{config.num_hidden_layers - 1}.hidden"
    session = context.session("decoder_model_merged", lambda model: _cut(model, [before], ["logits"]))
    types = {node.name for node in session.get_inputs()}
    feeds = {"inputs_embeds": hidden, before: hidden, **_positions(hidden.shape[1])}
    found = session.run(["logits"], {name: value for name, value in feeds.items() if name in types})[0][0]
    rows = min(_HEAD_ROWS, config.vocab_size)
    weights = context.plan.effective_rows(source.lm_head, slice(0, rows))
    states = torch.from_numpy(hidden[0].astype(np.float64))
    states = states * torch.rsqrt(states.pow(2).mean(-1, keepdim=True) + config.rms_norm_eps)
    states = states * torch.from_numpy(source.read(f"{source.text_prefix}norm.weight").astype(np.float64))
    logits = states @ torch.from_numpy(weights.astype(np.float64)).T
    cap = config.final_logit_softcapping
    if cap is not None:
        logits = torch.tanh(logits / cap) * cap
    return Row(
        f"head, {rows} of its rows", "the checkpoint", difference(found[:, :rows], logits.numpy()), "", context.limit
    )


def _effective_row(context: CheckContext, name: str, row: int) -> NDArray[np.float32]:
    (content,) = context.plan.effective_rows(name, slice(row, row + 1), table=True)
    return np.asarray(content)


def _cut(model: ir.Model, inputs: Sequence[str], outputs: Sequence[str]) -> ir.Model:
    """Return the part of a graph between values, with those of its own inputs that the part still needs."""
    names = [value.name for value in model.graph.inputs if not value.is_initializer()]
    graph = ir.convenience.extract(model.graph, list(dict.fromkeys([*names, *inputs])), outputs)
    for value in [value for value in graph.inputs if not value.uses()]:
        graph.inputs.remove(value)
    return ir.Model(graph, ir_version=model.ir_version)
