"""Our drafter graphs against transformers' assistants: logits and projected states within 1e-4, step by step."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from fixtures_checkpoints import FULL, SLIDING, TEXT_CONFIGS
from fixtures_drafters import DRAFTERS, Pair

from inference.cancellation import CancelToken
from inference.graphs.drafter import Draft, Drafter, donor_layers
from inference.graphs.embedder import Embedder
from inference.graphs.session import RunCancelled, open_session
from inference.kv_cache import CacheSpec, KVCache
from inference.model_folder import ModelFolder

pytestmark = pytest.mark.parity

TOLERANCE = 1e-4
"""Of a drafter that is given the same numbers as transformers'."""
CHAIN_TOLERANCE = 4e-3
"""Of one that is given our decoder's keys, values and hidden states, which bring their own differences along."""
PROMPT = [2, *range(130, 150)]


@pytest.fixture(params=sorted(DRAFTERS))
def pair(request: pytest.FixtureRequest, drafted: Callable[[str], Pair]) -> Pair:
    return drafted(request.param)


class Target:
    """Our decoder graph as verification uses it: many rows at once, every logit and hidden state kept."""

    def __init__(self, folder: ModelFolder, *, windowed: bool = True) -> None:
        self._embedder = Embedder(folder.graph("embed_tokens"))
        self._session = open_session(folder.graph("decoder_model_merged"), "cpu", threads=1)
        windows = folder.attention_windows
        self.cache = KVCache(
            {
                node.name: CacheSpec(
                    node.shape[1],
                    node.shape[3],
                    np.float32,
                    windows[int(node.name.split(".")[1])] if windowed else None,
                )
                for node in self._session.get_inputs()
                if node.name.startswith("past_key_values.")
            },
            folder.context_length,
        )

    def embed(self, ids: list[int]) -> dict[str, Any]:
        return self._embedder(np.array(ids, np.int64))

    def append(self, ids: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Return logits [S, V] and hidden states [S, T]."""
        import onnxruntime

        self.cache.reserve(len(ids))
        start, stop = len(self.cache), len(self.cache) + len(ids)
        feeds = {
            **self.embed(ids),
            "attention_mask": np.ones((1, stop), np.int64),
            "position_ids": np.arange(start, stop)[None],
            "sliding_length": np.array(self.cache.sliding_length + len(ids), np.int64),
        }
        binding = self._session.io_binding()
        for name, array in feeds.items():
            binding.bind_ortvalue_input(name, onnxruntime.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array)))
        for name, buffer in self.cache.buffers.items():
            binding.bind_ortvalue_input(name, buffer)
            binding.bind_ortvalue_output(name.replace("past_key_values.", "present."), buffer)
        for name in ("logits", "last_hidden_state"):
            binding.bind_output(name)
        self._session.run_with_iobinding(binding)
        self.cache.append(ids)
        logits, hidden = (value.numpy() for value in binding.get_outputs()[-2:])
        return logits[0], hidden[0]


def run_graph(session: Any, inputs: Any, position: int, shared: dict[str, tuple[Any, Any, int]]) -> dict[str, Any]:
    """Run the graph once; ``shared`` holds keys, values and the number of valid ones by layer type."""
    feeds = {"inputs_embeds": inputs, "position_ids": np.array([[position]])}
    for layer_type, (key, value, length) in shared.items():
        feeds[f"shared_kv.{layer_type}.key"], feeds[f"shared_kv.{layer_type}.value"] = key, value
        feeds[f"shared_kv.{layer_type}.length"] = np.array([length])
    names = [node.name for node in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def assert_equals(ours: dict[str, Any], reference: Any, tolerance: float = TOLERANCE) -> None:
    assert np.abs(ours["projected_state"] - reference.last_hidden_state.numpy()).max() < tolerance
    assert np.abs(ours["logits"] - reference.logits.numpy()).max() < tolerance


def test_every_step_equals_transformers(pair: Pair) -> None:
    """Random keys and values of many lengths, in buffers that are larger and full of rubbish behind the valid ones."""
    session = pair.open_graph()
    config = pair.drafter.config.text_config
    generator = torch.Generator().manual_seed(5)
    width = pair.drafter.backbone_hidden_size
    window = config.sliding_window
    for full, sliding in [(1, 1), (2, 2), *((n, n) for n in range(window - 1, window + 3)), (50, 50), (50, window + 4)]:
        reference_kv, ours_kv = {}, {}
        for layer_type, length in ((FULL, full), (SLIDING, sliding)):
            layer = config.per_layer_config[config.layer_types.index(layer_type)]
            shape = (1, layer.num_key_value_heads, length, layer.head_dim)
            key, value = (torch.randn(shape, generator=generator) for _ in range(2))
            reference_kv[layer_type] = key, value
            padded = [np.pad(part, ((0, 0), (0, 0), (0, 13), (0, 0)), constant_values=np.nan) for part in (key, value)]
            ours_kv[layer_type] = (*padded, length)
        state = torch.randn((1, 1, width), generator=generator)
        for _ in range(3):
            inputs = torch.cat([torch.randn((1, 1, width), generator=generator), state], -1)
            with torch.no_grad():
                expected = pair.drafter(
                    inputs_embeds=inputs,
                    position_ids=torch.tensor([[full]]),
                    attention_mask=torch.ones(1, full, dtype=torch.long),
                    shared_kv_states=reference_kv,
                )
            assert_equals(run_graph(session, inputs.numpy(), full, ours_kv), expected)
            state = expected.last_hidden_state


def test_candidates_are_the_logits_that_count(pair: Pair) -> None:
    session = pair.open_graph()
    if "candidate_ids" not in {node.name for node in session.get_outputs()}:
        assert not pair.drafter.config.use_ordered_embeddings
        return
    target = Target(pair.folder)
    target.append(PROMPT)
    embedding = target.embed([140])["inputs_embeds"]
    inputs = np.concatenate([embedding, embedding], -1)
    out = run_graph(session, inputs, len(PROMPT), in_place(pair, target))
    ids, logits = out["candidate_ids"].ravel(), out["candidate_logits"].ravel()
    config = pair.drafter.config
    assert len(set(ids)) == config.centroid_intermediate_top_k * pair.drafter.vocab_size // config.num_centroids
    np.testing.assert_array_equal(out["logits"][0, 0, ids], logits)
    rest = np.delete(out["logits"][0, 0], ids)
    np.testing.assert_allclose(rest, logits.min() - 1)


def in_place(pair: Pair, target: Target, full: int | None = None, sliding: int | None = None) -> dict[str, Any]:
    """Return the target's buffers as the graph takes them; lengths other than the valid ones on request."""
    lengths = {
        FULL: len(target.cache) if full is None else full,
        SLIDING: target.cache.sliding_length if sliding is None else sliding,
    }
    return {
        layer_type: (
            *(target.cache.buffers[f"past_key_values.{index}.{part}"].numpy() for part in ("key", "value")),
            lengths[layer_type],
        )
        for layer_type, index in donor_layers(pair.folder.text_config).items()
    }


def assisted_generation(pair: Pair, prompt: list[int], count: int, drafts: int) -> tuple[list[int], list[list[Any]]]:
    """Let transformers draft and verify.

    Returns:
        The new tokens, and for each round of drafting its steps: (keyword arguments, output) of the drafter, with the
        number of keys that the target had written, and how many of those its sliding layers had kept.
    """
    rounds: list[list[Any]] = []
    written: dict[str, int] = {}

    def on_target(_module: Any, _arguments: Any, output: Any) -> None:
        written.update({name: int(pair_[0].shape[2]) for name, pair_ in output.shared_kv_states.items()})
        rounds.append([])

    def on_drafter(_module: Any, _arguments: Any, keywords: Any, output: Any) -> None:
        rounds[-1].append((keywords, output, dict(written)))

    pair.drafter.generation_config.num_assistant_tokens = drafts
    hooks = [
        pair.target.register_forward_hook(on_target),
        pair.drafter.register_forward_hook(on_drafter, with_kwargs=True),
    ]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tokens = pair.target.generate(
                torch.tensor([prompt]),
                assistant_model=pair.drafter,
                max_new_tokens=count,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
    finally:
        for hook in hooks:
            hook.remove()
    return tokens[0, len(prompt) :].tolist(), [steps for steps in rounds if steps]


def test_assisted_generation_step_by_step(pair: Pair) -> None:
    """The whole of transformers' assisted generation, replayed on our graphs over our own decoder's KV cache.

    After a rejection transformers leaves keys of rejected drafts visible: one in full layers, several in sliding ones.
    They are still in our buffers too, behind the valid ones, so that lengths are all it takes to see them.
    """
    count, drafts = 40, 3
    expected, rounds = assisted_generation(pair, PROMPT, count, drafts)
    assert expected == pair.greedy(PROMPT, count)

    session = pair.open_graph()
    target = Target(pair.folder)
    logits, hidden = target.append(PROMPT)
    tokens, state = [int(logits[-1].argmax())], hidden[-1:]
    accepted, rejected = 0, 0
    for steps in rounds:
        valid = len(target.cache)
        guesses: list[int] = []
        for keywords, reference, written in steps:
            sequence = valid + 1
            dropped = written[FULL] - written[SLIDING]  # positions that the sliding layers no longer keep
            end = min(dropped + sequence, written[FULL])
            shared = in_place(
                pair,
                target,
                full=min(sequence, written[FULL]),
                sliding=end - (valid - target.cache.sliding_length),
            )
            assert keywords["shared_kv_states"][FULL][0].shape[2] == shared[FULL][2]
            assert int(keywords["position_ids"]) == valid
            token = guesses[-1] if guesses else tokens[-1]
            inputs = np.concatenate([target.embed([token])["inputs_embeds"], state[None]], -1)
            given = {
                layer_type: (key.numpy(), value.numpy(), key.shape[2])
                for layer_type, (key, value) in keywords["shared_kv_states"].items()
            }
            assert_equals(run_graph(session, keywords["inputs_embeds"].numpy(), valid, given), reference)
            ours = run_graph(session, inputs, valid, shared)
            assert_equals(ours, reference, CHAIN_TOLERANCE)
            guesses.append(int(ours["logits"].argmax()))
            state = ours["projected_state"][0]
        tokens_added, state = verify(target, tokens[-1], guesses)
        tokens += tokens_added
        accepted, rejected = accepted + len(tokens_added) - 1, rejected + (len(tokens_added) <= len(guesses))
    assert tokens == expected[: len(tokens)]
    assert len(expected) - len(tokens) <= 1
    assert rejected
    assert accepted or pair.drafter.hidden_size != pair.drafter.backbone_hidden_size


def verify(target: Target, last: int, guesses: list[int]) -> tuple[list[int], np.ndarray]:
    """Run the target over the last token and the guesses, and take back what it rejects.

    Returns:
        The accepted guesses and the target's own next token, and the hidden state [1, T] that led to it.
    """
    valid = len(target.cache)
    logits, hidden = target.append([last, *guesses])
    choices = [int(row.argmax()) for row in logits]
    right = 0
    while right < len(guesses) and guesses[right] == choices[right]:
        right += 1
    target.cache.roll_back(valid + 1 + right)
    return [*guesses[:right], choices[right]], hidden[right : right + 1]


@pytest.mark.parametrize("windowed", [True, False])
def test_speculative_decoding_equals_greedy_decoding(pair: Pair, windowed: bool) -> None:
    """Through the runtime's own :class:`Drafter`, with right guesses mixed in, so that every number is accepted once.

    Long enough for the sliding buffers to move their window to the front and for the full ones to be replaced.
    """
    count = 560 if pair.kind in ("e2b", "unified") and windowed else 90
    expected = pair.greedy(PROMPT, count)
    target = Target(pair.folder, windowed=windowed)
    drafter = Drafter(pair.folder, target.cache, provider="cpu", threads=1)
    draw = random.Random(3)
    logits, hidden = target.append(PROMPT)
    tokens, state = [int(logits[-1].argmax())], hidden[-1:][None]
    seen = set()
    while len(tokens) < count:
        guesses: list[int] = []
        before = {name: buffer.numpy().copy() for name, buffer in target.cache.buffers.items()} if not seen else {}
        for _ in range(min(4, count - len(tokens) - 1)):
            embedding = target.embed([guesses[-1] if guesses else tokens[-1]])["inputs_embeds"]
            guess = drafter(embedding, state, CancelToken())
            assert 0 < guess.probability <= 1
            truth = expected[len(tokens) + len(guesses)]
            guesses.append(truth if draw.random() < 0.7 else guess.token)
            state = guess.state
        for name, copy in before.items():
            np.testing.assert_array_equal(target.cache.buffers[name].numpy(), copy)
        added, hidden = verify(target, tokens[-1], guesses)
        state = hidden[None]
        seen.add(len(added) - 1)
        tokens += added
    assert tokens == expected
    assert seen == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("length", [33, 401])
def test_the_wrapper_equals_transformers(pair: Pair, length: int) -> None:
    """Token, probability and state, over the valid keys alone, before and after rolling back.

    The longer context has moved the sliding buffers to the front, so that their length is another than the full ones'.
    """
    target = Target(pair.folder)
    drafter = Drafter(pair.folder, target.cache, provider="cpu", threads=1)
    draw = random.Random(6)
    ids = [2, *(draw.randrange(110, 500) for _ in range(length - 1))]
    hidden = np.concatenate([target.append(ids[start : start + 90])[1] for start in range(0, length, 90)])
    assert (target.cache.sliding_length == len(target.cache)) == (length < 300)
    for back in (0, 9, 20, 32):
        target.cache.roll_back(length - back)
        state = hidden[length - back - 1 : length - back][None]
        token = 150
        shared = {
            layer_type: tuple(torch.from_numpy(part[:, :, :valid].copy()) for part in (key, value))
            for layer_type, (key, value, valid) in in_place(pair, target).items()
        }
        for _ in range(3):
            embedding = target.embed([token])["inputs_embeds"]
            guess = drafter(embedding, state, CancelToken())
            with torch.no_grad():
                expected = pair.drafter(
                    inputs_embeds=torch.from_numpy(np.concatenate([embedding, state], -1)),
                    position_ids=torch.tensor([[length - back]]),
                    shared_kv_states=shared,
                )
            assert guess.token == int(expected.logits.argmax())
            assert guess.probability == pytest.approx(float(expected.logits.softmax(-1).max()), rel=1e-3)
            assert np.abs(guess.state - expected.last_hidden_state.numpy()).max() < TOLERANCE
            likeliest, second = expected.logits.softmax(-1).flatten().topk(2).values.tolist()
            other = drafter(embedding, state, CancelToken(), lambda each, forbidden=guess.token: each != forbidden)
            assert other.token == int(expected.logits.flatten().topk(2).indices[1])
            assert other.probability == pytest.approx(second / (1 - likeliest), rel=2e-3)
            token, state = guess.token, guess.state


def test_a_stop_ends_the_guessing(drafted: Callable[[str], Pair]) -> None:
    pair = drafted("e2b")
    target = Target(pair.folder)
    drafter = Drafter(pair.folder, target.cache, provider="cpu", threads=1)
    _, hidden = target.append(PROMPT)
    embedding, state = target.embed([140])["inputs_embeds"], hidden[-1:][None]
    guess: Draft = drafter(embedding, state, CancelToken())
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(RunCancelled):
        drafter(embedding, state, cancel)
    again = drafter(embedding, state, CancelToken())
    assert (again.token, again.probability) == (guess.token, guess.probability)


def test_donors_are_the_last_layers_with_keys_of_their_own() -> None:
    assert donor_layers(TEXT_CONFIGS["e2b"]) == {SLIDING: 3, FULL: 4}
    assert donor_layers(TEXT_CONFIGS["31b"]) == {SLIDING: 4, FULL: 5}
    assert donor_layers({}) == {}
