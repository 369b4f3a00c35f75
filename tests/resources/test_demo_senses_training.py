"""Training with pictures and sound: the pieces that stand between the data and the shipped weights."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from resources.demo_model.training import rendering, samples, special_tokens
from resources.demo_model.training import tokenizer as tokenizers_
from resources.demo_model.training.conversations import conversation, styled, with_tools
from resources.demo_model.training.prepare import texts
from resources.demo_model.training.samples import Sample, batch_of, stream
from resources.demo_model.training.topics import arithmetic, tools

VOCABULARY = 3072


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    rng = random.Random(8)
    return tokenizers_.train(texts([conversation(rng) for _ in range(200)]), VOCABULARY)


# --- text


@given(st.integers(0, 1999), st.integers(0, 1999), st.sampled_from("+-"))
def test_column_sums_are_right_and_need_one_carry_at_most(a: int, b: int, sign: str) -> None:
    if sign == "-" and a < b:
        a, b = b, a
    digits = []
    for step in arithmetic.columns(a, b, sign).split(", "):
        left, _, result = step.partition("=")
        assert eval(left) == int(result)
        digits.append(int(result) % 10)
    last = int(arithmetic.columns(a, b, sign).rpartition("=")[2])
    shown = int(f"{last}{''.join(map(str, digits[-2::-1]))}")
    assert shown == (a + b if sign == "+" else a - b)


def test_calls_of_tools_are_learned_and_their_results_are_not(tokenizer: Tokenizer) -> None:
    rng = random.Random(1)
    seen = 0
    for _ in range(30):
        talk = with_tools(rng)
        ids, learned = rendering.encode(talk, tokenizer)
        said = tokenizer.decode([i for i, flag in zip(ids, learned, strict=True) if flag], skip_special_tokens=False)
        for exchange in talk.exchanges:
            if exchange.call is None:
                continue
            seen += 1
            assert f"<|tool_call>call:{exchange.call.name}{{" in said
            assert f"<tool_call|><|tool_response>{exchange.answer}<turn|>" in said
            assert f'{{value:<|"|>{exchange.call.result}<|"|>}}' not in said
    assert seen > 20


def test_tools_are_declared_as_the_engine_would(tokenizer: Tokenizer) -> None:
    rng = random.Random(2)
    for declaration in tools.declarations(rng):
        text = rendering.render([{"role": "user", "content": "hi"}], tools=[declaration])
        assert f"<|tool>declaration:{declaration['function']['name']}{{" in text
    assert tokenizer.token_to_id("<tool_response|>") == special_tokens.END_OF_TOOL_RESPONSE


def test_manners_change_every_answer() -> None:
    rng = random.Random(4)
    for _ in range(60):
        talk = styled(rng)
        assert talk.system
        for exchange in talk.exchanges:
            assert exchange.answer in exchange.accepted


# --- batches


def _sample(rng: random.Random) -> Sample:
    length = rng.randint(3, 200)
    return Sample(list(range(5, 5 + length)), [False] + [True] * (length - 1))


def test_batches_are_full_and_every_length_has_its_turn() -> None:
    lengths = []
    for batch in islice(stream([(_sample, 1.0)], 3, 0, 0, 1024, 64), 200):
        assert batch.ids.size <= 1024
        assert batch.ids.shape == batch.labels.shape
        lengths += [int((row != special_tokens.PAD).sum()) for row in batch.ids]
    assert np.mean([length < 20 for length in lengths]) == pytest.approx(17 / 198, abs=0.05)
    assert np.mean([length > 180 for length in lengths]) == pytest.approx(20 / 198, abs=0.05)


def test_equal_seeds_give_equal_streams_and_workers_differ() -> None:
    first, again, other = (
        [batch.ids.tolist() for batch in islice(stream([(_sample, 1.0)], 3, worker, 5, 512, 32), 10)]
        for worker in (0, 0, 1)
    )
    assert first == again != other


# --- the model


@pytest.fixture(scope="module")
def model() -> Any:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training.architecture import new_media_model

    return new_media_model(0).eval()


@pytest.fixture(scope="module")
def batch(tokenizer: Tokenizer) -> samples.Batch:
    from resources.demo_model.training.pictures import scenes
    from resources.demo_model.training.pictures.conversations import encode
    from resources.demo_model.training.pictures.questions import ask

    rng = random.Random(3)
    some = []
    for size in ((192, 192), (144, 240), (192, 192)):
        scene = scenes.one_thing(rng, *size)
        some.append(encode(ask(scene, rng, 2), [scene], rng, tokenizer))
    soft = 13
    ids = [2, tokenizer.token_to_id("<|audio>"), *[tokenizer.token_to_id("<|audio|>")] * soft, 500, 501]
    sound = np.random.default_rng(0).normal(-4, 1, (49, 128)).astype(np.float32)
    some.append(Sample(ids, [False] * (soft + 2) + [True] * 2, sounds=(sound,)))
    return batch_of(some)


def test_the_forward_pass_is_transformers_own(model: Any, batch: samples.Batch) -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training import joint

    with torch.no_grad():
        output = joint.outputs(model, batch)
        pictures = [joint.patches([scene.pixels]) for scene in batch.pictures]
        most = max(values.shape[1] for values, _ in pictures)
        values = torch.zeros(len(pictures), most, 768)
        positions = torch.full((len(pictures), most, 2), -1)
        for row, (value, position) in enumerate(pictures):
            values[row, : value.shape[1]], positions[row, : value.shape[1]] = value[0], position[0]
        theirs = model.model(
            input_ids=torch.from_numpy(batch.ids), pixel_values=values, image_position_ids=positions,
            input_features=torch.from_numpy(batch.sounds[0])[None],
            input_features_mask=torch.ones(1, len(batch.sounds[0]), dtype=torch.bool),
        )  # fmt: skip
    torch.testing.assert_close(output.last_hidden_state, theirs.last_hidden_state, rtol=1e-3, atol=1e-3)


def test_the_loss_is_the_one_of_the_whole_forward_pass(model: Any, batch: samples.Batch) -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training import joint

    with torch.no_grad():
        loss, extra = joint.batch_loss(model, batch, False)
        logits = model.lm_head(joint.outputs(model, batch).last_hidden_state[:, :-1])
        logits = torch.tanh(logits / 30) * 30
        labels = torch.from_numpy(batch.labels[:, 1:])
        whole = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert extra is None
    torch.testing.assert_close(loss, whole, rtol=1e-3, atol=1e-4)


def test_long_conversations_keep_to_their_window(model: Any) -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training import joint

    ids = list(np.random.default_rng(0).integers(500, 3000, 300))
    batch = batch_of([Sample(ids, [False] * 250 + [True] * 50), Sample(ids[:200], [False] * 5 + [True] * 195)])
    with torch.no_grad():
        loss, _ = joint.batch_loss(model, batch, False)
        logits = model.lm_head(joint.outputs(model, batch).last_hidden_state[:, :-1])
        labels = torch.from_numpy(batch.labels[:, 1:])
        whole = torch.nn.functional.cross_entropy((torch.tanh(logits / 30) * 30).flatten(0, 1), labels.flatten())
    torch.testing.assert_close(loss, whole, rtol=1e-3, atol=1e-4)


def test_a_few_steps_lower_the_loss_of_words_and_of_what_soft_tokens_know(batch: samples.Batch) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training import joint
    from resources.demo_model.training.architecture import new_media_model
    from resources.demo_model.training.pictures.heads import Heads

    torch.manual_seed(0)
    model = new_media_model(0).train()
    heads = Heads(model.config.vision_config.hidden_size)
    optimisers = joint.optimisers_of(model, heads, dict.fromkeys(joint.PARTS, 1.0))
    first: tuple[float, float] | None = None
    for _ in range(6):
        loss, extra = joint.batch_loss(model, batch, False, heads)
        assert extra is not None
        first = first or (loss.item(), extra.item())
        (loss + extra).backward()
        for each in optimisers:
            for group in each.param_groups:
                group["lr"] = 2e-3
            each.step()
            each.zero_grad()
    assert loss.item() < first[0] - 0.3
    assert extra.item() < first[1] - 0.3


@pytest.mark.parametrize("masked", [None, "bool", "float"])
def test_plain_products_attend_like_the_fused_kernel(masked: str | None) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training import attention

    generator = torch.Generator().manual_seed(4)
    query, key, value = (torch.randn(2, heads, 7, 8, generator=generator) for heads in (4, 2, 2))
    seen = torch.rand(2, 1, 7, 7, generator=generator) > 0.4
    seen |= torch.eye(7, dtype=torch.bool)
    mask = {None: None, "bool": seen, "float": torch.where(seen, 0.0, -1e9)}[masked]
    layer = torch.nn.Module()
    layer.is_causal = masked is None
    found, _ = attention.attend(layer, query, key, value, mask, scaling=0.5)
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, mask, is_causal=masked is None, scale=0.5, enable_gqa=True
    )
    torch.testing.assert_close(found, wanted.transpose(1, 2))


def test_eyes_alone_learn_and_go_on_where_they_stopped(tokenizer: Tokenizer, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training import eyes
    from resources.demo_model.training.pictures import scenes
    from resources.demo_model.training.pictures.naming import word_tokens

    torch.manual_seed(0)
    learner = eyes.Eyes(0).train()
    learner.embeddings = torch.randn(VOCABULARY, 160, generator=torch.Generator().manual_seed(5))
    names = word_tokens(tokenizer)
    shown = [scenes.sign(random.Random(seed), 96, 192) for seed in (1, 2)]
    optimisers = eyes.optimisers_of(learner)
    costs = []
    for _ in range(5):
        loss, _, naming = learner.loss(shown, random.Random(0), names)
        assert naming is not None
        costs.append((loss.item(), naming.item()))
        loss.backward()
        for each in optimisers:
            for group in each.param_groups:
                group["lr"] = 2e-3
            each.step()
            each.zero_grad()
    assert costs[-1][0] < costs[0][0] - 0.5
    assert costs[-1][1] < costs[0][1]
    eyes.save(tmp_path / "state.pt", 5, learner, optimisers)
    again = eyes.Eyes(1).train()
    assert eyes.resume(tmp_path / "state.pt", None, again, eyes.optimisers_of(again)) == 5
    for name, value in learner.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value)


def test_clipping_bounds_hold_what_was_seen(model: Any, batch: samples.Batch, tmp_path: Path, tokenizer: Any) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from resources.demo_model.training import clipping, joint
    from resources.demo_model.training.checkpoint import write_checkpoint

    with torch.no_grad():
        clipping.measure(model, lambda: joint.outputs(model, batch))
        free = joint.outputs(model, batch)
        clipping.switch(model, True)
        clipped = joint.outputs(model, batch)
    torch.testing.assert_close(clipped.last_hidden_state, free.last_hidden_state)
    layer = model.model.vision_tower.encoder.layers[0].mlp.gate_proj
    assert 0 < float(layer.input_max) < 1e4
    write_checkpoint(model, tokenizer, tmp_path / "checkpoint")
    again = transformers.Gemma4ForConditionalGeneration.from_pretrained(tmp_path / "checkpoint")
    torch.testing.assert_close(again.model.vision_tower.encoder.layers[0].mlp.gate_proj.input_max, layer.input_max)
    assert (tmp_path / "checkpoint" / "processor_config.json").is_file()


def test_every_input_width_suits_the_conversion(model: Any) -> None:
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and (".layers." in name or "language_model" in name):
            assert parameter.shape[1] % 32 == 0, name


# --- the drafter


def test_the_clusters_hold_every_token_once() -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training.drafting import CLUSTERS, ordering

    embeddings = torch.randn(CLUSTERS * 4, 16, generator=torch.Generator().manual_seed(0))
    order = ordering(embeddings)
    assert sorted(order.tolist()) == list(range(CLUSTERS * 4))


def test_drafts_begin_behind_their_token() -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training.drafting import masks

    seen = masks(6, 2)
    full, sliding = (seen[kind][0, 0] == 0 for kind in ("full_attention", "sliding_attention"))
    assert full[3].tolist() == [True, True, True, False, False, False]
    assert sliding[3].tolist() == [False, True, True, False, False, False]
    assert torch.equal(full[1], sliding[1])


def test_a_drafter_learns_what_its_target_says(model: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from inference.export.reference_fixes import kv_sharing_fixed
    from resources.demo_model.training import drafting

    prompt = torch.arange(500, 512)[None]
    said = model.generate(input_ids=prompt, max_new_tokens=12, do_sample=False)[0].tolist()
    batch = batch_of([Sample(said, [False] * 12 + [True] * (len(said) - 12))])
    with kv_sharing_fixed():
        drafter = drafting.new_drafter(model.get_input_embeddings().weight, 0).train()
        adam = torch.optim.AdamW(drafter.parameters(), lr=3e-3)
        losses = []
        for _ in range(6):
            loss, right = drafting.draft_losses(drafter, model, batch)
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert len(right) >= 1
    drafting.write(drafter, tmp_path / "drafter")
    assert (tmp_path / "drafter" / "config.json").is_file()


# --- what soft tokens are to resemble


def test_soft_tokens_that_look_like_the_words_cost_least(tokenizer: Tokenizer) -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training.pictures import naming, scenes
    from resources.demo_model.training.pictures.targets import COLOURS, THINGS, targets

    embeddings = torch.nn.functional.normalize(
        torch.randn(VOCABULARY, 64, generator=torch.Generator().manual_seed(1)), dim=-1
    )
    tables = naming.word_tokens(tokenizer)
    assert tables["things"].shape == (len(THINGS) + 1, VOCABULARY)
    assert tables["colours"].shape == (len(COLOURS) + 1, VOCABULARY)
    assert not any(table[0].any() for table in tables.values())
    scene = scenes.one_thing(random.Random(3), 192, 192, emoji_share=0.0)
    meant = targets(scene)
    rows = torch.from_numpy(meant.things).flatten().clamp_min(0)
    wanted = tables["things"][rows] + tables["colours"][torch.from_numpy(meant.colours).flatten().clamp_min(0)]
    alike = wanted @ embeddings
    other = alike.roll(1, 0)
    low, high = (float(naming.naming_loss(soft, [scene], tables, embeddings)) for soft in (alike, other))
    assert low < high


def test_sounds_that_look_like_what_is_said_cost_least() -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training.audio.saying import saying_loss

    embeddings = torch.randn(50, 32, generator=torch.Generator().manual_seed(2))
    nothing = torch.zeros(32)
    heard = torch.stack([nothing, embeddings[7], embeddings[7], nothing, embeddings[7], embeddings[9], nothing])[None]
    heard[:, 0] = 1e-3  # no direction of any token
    lengths = torch.tensor([7])
    costs = [float(saying_loss(heard, lengths, [said], embeddings)) for said in ((7, 7, 9), (7, 9), (9, 7, 7))]
    assert costs[0] == min(costs)
    assert costs[0] < 0.1 < min(costs[1:])
    assert float(saying_loss(heard, lengths, [(1,) * 9], embeddings)) == 0  # more than there is room for
    assert float(saying_loss(torch.zeros(1, 7, 32), lengths, [()], embeddings)) < 0.3
