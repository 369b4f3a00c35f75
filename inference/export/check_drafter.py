"""Holds the drafter of a converted folder against transformers: a part of ``main.py convert … --check``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from inference.export.check import CheckContext, Row, decoder_outputs, make_rest, prompt
from inference.export.drafter import DRAFTER, drafter_plan
from inference.export.drafter_checkpoint import DrafterCheckpoint
from inference.export.reference_fixes import kv_sharing_fixed
from inference.export.weights import WeightPlan
from inference.graphs.drafter import donor_layers

_GUESSES = 4


def probe_drafter(context: CheckContext, source: DrafterCheckpoint) -> Iterator[Row]:
    """Let the drafter go on from a prompt, over the keys and values of our decoder.

    Args:
        context: of the target.
        source: the drafter's checkpoint.
    """
    config, plan = source.text_config, drafter_plan(source, context.plan.precision)
    size = 4 * sum(int(np.prod(source.shape(name))) for name in source.names())
    if size > context.memory:
        return
    context.report("Checking the drafter", 0.0)
    ids = prompt(context)
    donors = donor_layers(context.folder.text_config)
    presents = {
        (layer_type, part): f"present.{index}.{part}"
        for layer_type, index in donors.items()
        for part in ("key", "value")
    }
    found = decoder_outputs(context, ids, ["logits", "last_hidden_state", *presents.values()])
    token, state = int(found["logits"][0, -1].argmax()), found["last_hidden_state"][:, -1:]
    shared = {
        layer_type: tuple(found[presents[layer_type, part]] for part in ("key", "value"))
        for layer_type in set(config.layer_types)
    }

    context.report("Checking the drafter", 0.3)
    reference = _reference(source, plan)
    inputs_of_guesses: list[NDArray[np.float32]] = []
    session, embedder = context.session(DRAFTER), context.session("embed_tokens")

    def guess(inputs: NDArray[np.float32], dtype: torch.dtype) -> Any:
        with torch.no_grad():
            return reference.to(dtype)(
                inputs_embeds=torch.from_numpy(inputs).to(dtype),
                position_ids=torch.tensor([[len(ids)]]),
                shared_kv_states={
                    name: tuple(torch.from_numpy(part.astype(np.float32)).to(dtype) for part in pair)
                    for name, pair in shared.items()
                },
            )

    ours = []
    for _ in range(_GUESSES):
        embedding = embedder.run(["inputs_embeds"], {"input_ids": np.array([[token]])})[0]
        inputs = np.concatenate([embedding, state], -1).astype(np.float32)
        inputs_of_guesses.append(inputs)
        ours.append(_run(session, inputs, len(ids), shared))
        expected = guess(inputs, torch.float32)
        # both go on from the reference, so that one near-tie does not spoil the rest of the comparison
        token, state = int(expected.logits.argmax()), expected.last_hidden_state.numpy()
    exact = plan.precision == "fp32"
    yield context.judged(
        f"drafter, {_GUESSES} guesses",
        "transformers" if exact else "transformers, weights rounded alike",
        np.stack(ours),
        lambda dtype: np.stack([guess(inputs, dtype).logits[0, 0].numpy() for inputs in inputs_of_guesses]),
        lambda found, wanted: f"{int((found.argmax(-1) == wanted.argmax(-1)).sum())} of {_GUESSES}",
        size=size,
    )


def _run(
    session: Any, inputs: NDArray[np.float32], position: int, shared: dict[str, tuple[NDArray[Any], ...]]
) -> NDArray[np.float32]:
    feeds: dict[str, NDArray[Any]] = {"inputs_embeds": inputs, "position_ids": np.array([[position]])}
    for layer_type, (key, value) in shared.items():
        name = f"shared_kv.{layer_type}"
        feeds |= {f"{name}.key": key, f"{name}.value": value, f"{name}.length": np.array([key.shape[2]])}
    logits: NDArray[np.float32] = session.run(["logits"], feeds)[0][0, 0]
    return logits


def _reference(source: DrafterCheckpoint, plan: WeightPlan) -> Any:
    """Return transformers' drafter with the weights as our graph has them."""
    config_class, model_class = source.transformers_classes()
    config = config_class(**{key: value for key, value in source.raw_config.items() if key != "model_type"})
    with torch.device("meta"), kv_sharing_fixed():
        model = model_class(config).eval()
    model.set_attn_implementation("eager")
    state: dict[str, torch.Tensor] = {}
    for name in model.state_dict():
        if name.endswith("token_ordering"):
            state[name] = torch.from_numpy(source.token_ordering())
        elif name not in ("lm_head.weight", "model.embed_tokens.weight"):
            state[name] = torch.from_numpy(np.array(plan.effective(name)))
    table = _output_embeddings(source, plan)
    model.load_state_dict(state, strict=False, assign=True)
    make_rest(model, source)
    model.lm_head.weight = model.model.embed_tokens.weight = torch.nn.Parameter(torch.from_numpy(table))
    return model


def _output_embeddings(source: DrafterCheckpoint, plan: WeightPlan) -> NDArray[np.float32]:
    if source.clusters is None:
        return np.array(plan.effective(f"{source.text_prefix}embed_tokens.weight"))
    clusters = plan.effective(source.CLUSTERS, table=True)
    table = np.empty((source.text_config.vocab_size, source.text_config.hidden_size), np.float32)
    table[source.token_ordering()] = clusters.reshape(table.shape)
    return table
