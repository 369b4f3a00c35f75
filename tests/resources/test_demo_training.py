"""The demo model's text generator, tokenizer, rendering, and one small training step."""

from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from resources.demo_model.training import special_tokens, wordings
from resources.demo_model.training import tokenizer as tokenizers_
from resources.demo_model.training.conversations import INTENTS, Conversation, conversations, lessons
from resources.demo_model.training.dataset import Dataset, padded
from resources.demo_model.training.exchange import Exchange, State
from resources.demo_model.training.noise import dress, vary
from resources.demo_model.training.prepare import texts
from resources.demo_model.training.rendering import LESSON_TOKENS, encode, encode_lesson, render
from resources.demo_model.training.topics import app_features, app_help, app_wordings, arithmetic

VOCABULARY = 1024


@pytest.fixture(scope="module")
def some() -> list[Conversation]:
    return list(islice(conversations(5), 400))


@pytest.fixture(scope="module")
def tokenizer(some: list[Conversation]) -> Tokenizer:
    return tokenizers_.train(texts(some), VOCABULARY)


# --- the generator


def test_equal_seeds_give_equal_conversations(some: list[Conversation]) -> None:
    assert list(islice(conversations(5), 400)) == some
    assert list(islice(conversations(6), 400)) != some


def test_the_answer_is_always_among_the_accepted_ones(some: list[Conversation]) -> None:
    for conversation in some:
        for exchange in conversation.exchanges:
            assert exchange.answer in exchange.accepted
            assert exchange.question.strip()
            assert exchange.thought


def test_no_slot_or_bracket_is_left_open(some: list[Conversation]) -> None:
    for text in texts(some):
        assert not any(mark in text for mark in ("[", "]", "{", "}")), text


@pytest.mark.parametrize("intent", INTENTS, ids=lambda intent: intent.name)
def test_every_intent_has_training_wordings(intent) -> None:  # type: ignore[no-untyped-def]
    rng = random.Random(1)
    for brief in (False, True):
        exchange = intent.source(rng, State(brief=brief), False)
        assert exchange.question
        assert exchange.answer


def test_every_help_topic_has_further_wordings() -> None:
    topics = {intent.name for intent in (*app_help.INTENTS, *app_features.INTENTS)}
    assert set(app_wordings.MORE) == topics
    for name, patterns in app_wordings.MORE.items():
        rng = random.Random(name)
        for pattern in patterns:
            assert "{" not in wordings.choose(pattern, rng), (name, pattern)


@pytest.mark.parametrize("seed", range(20))
def test_dressing_keeps_the_question(seed: int) -> None:
    dressed = dress("where do I type?", random.Random(seed))
    assert "where do I type" in dressed
    assert dressed != "where do I type?"


def test_training_wordings_are_never_held_out_ones() -> None:
    rng = random.Random(3)
    pattern = ["[a|b|c|d] [e|f|g|h] [i|j|k|l] [m|n|o|p] {slot}"]
    training = {wordings.pick(pattern, rng, held_out=False) for _ in range(400)}
    held_out = {wordings.pick(pattern, rng, held_out=True) for _ in range(100)}
    assert training
    assert held_out
    assert not training & held_out


def test_held_out_wordings_do_not_depend_on_case_and_punctuation() -> None:
    plain = [f"what about the wording number {number}" for number in range(300)]
    split = [wordings.is_held_out(wording) for wording in plain]
    assert any(split)
    assert split == [wordings.is_held_out(wording.upper() + "?") for wording in plain]
    assert not wordings.is_held_out("who are you?")


def test_nested_and_empty_branches() -> None:
    rng = random.Random(0)
    seen = {wordings.choose("say [hello[ there|]|bye|], friend?", rng) for _ in range(200)}
    assert seen == {"say hello there, friend?", "say hello, friend?", "say bye, friend?", "say, friend?"}


@pytest.mark.parametrize("pattern", ["[a|b", "a]b", "a|b"])
def test_unbalanced_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="unbalanced"):
        wordings.choose(pattern, random.Random(0))


@given(st.integers(0, 2**32), st.text("abcdefghij xyz", min_size=1).filter(str.strip))
def test_literal_noise_keeps_the_letters(seed: int, text: str) -> None:
    noisy = vary(text + ".", random.Random(seed), literal=True)
    assert noisy.rstrip(".").lower() == text.lower()


@given(st.integers(0, 2**32), st.sampled_from("+-*"))
def test_sums_are_right(seed: int, sign: str) -> None:
    a, b = arithmetic.numbers(random.Random(seed), sign, False)
    result = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert result >= 0
    thought = arithmetic.explain(a, b, sign)
    assert thought.endswith((f"= {result}.", f"= {result}"))


def test_sums_of_held_out_numbers_are_not_trained() -> None:
    rng = random.Random(0)
    trained = {tuple(sorted(arithmetic.numbers(rng, "+", False))) for _ in range(3000)}
    assert not any(arithmetic.is_held_out_pair(a, b) for a, b in trained)


# --- the tokenizer


def test_special_tokens_have_gemmas_ids(tokenizer: Tokenizer) -> None:
    for text, token in special_tokens.SPECIAL_TOKENS.items():
        assert tokenizer.token_to_id(text) == token
        assert tokenizer.encode(text, add_special_tokens=False).ids == [token]
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert sorted(tokenizer.get_vocab().values()) == list(range(VOCABULARY))


def test_line_breaks_are_tokens_of_their_own(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("\n", add_special_tokens=False).ids == [107]
    assert tokenizer.encode("\n\n", add_special_tokens=False).ids == [108]
    assert tokenizer.encode("\n" * 31, add_special_tokens=False).ids == [137]


def test_media_tokens_end_the_vocabulary(tokenizer: Tokenizer) -> None:
    ids = [tokenizer.token_to_id(text) for text in special_tokens.MEDIA_TOKENS]
    assert ids == list(range(VOCABULARY - 7, VOCABULARY))
    media = tokenizers_.configuration(tokenizer)["media_token_ids"]
    assert media == dict(zip(special_tokens.MEDIA_TOKENS, ids, strict=True))


def test_digits_stand_alone_and_the_start_has_no_space(tokenizer: Tokenizer) -> None:
    assert tokenizer.encode("12+34", add_special_tokens=False).tokens == ["1", "2", "+", "3", "4"]
    assert not tokenizer.encode("hello", add_special_tokens=False).tokens[0].startswith("▁")


def test_roles_are_single_tokens(tokenizer: Tokenizer) -> None:
    for role in ("user", "model", "system", "thought"):
        assert len(tokenizer.encode(role, add_special_tokens=False).ids) == 1


@given(st.text(st.characters(exclude_characters="▁", exclude_categories=["Cs"])))
def test_any_text_survives_the_round_trip(tokenizer: Tokenizer, text: str) -> None:
    # "▁" itself stands for a space, as in Gemma's own tokenizer
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_learning_the_tokenizer_is_deterministic(some: list[Conversation], tokenizer: Tokenizer) -> None:
    assert tokenizers_.train(texts(some), VOCABULARY).to_str() == tokenizer.to_str()


# --- rendering and what is to be learned


def _conversation(thinking: bool) -> Conversation:
    exchanges = tuple(
        Exchange("test", question, answer, f"thought {answer}", (answer,))
        for question, answer in (("hi", "hello"), ("and?", "fine"))
    )
    return Conversation("Be kind.", exchanges, thinking)


def test_the_template_without_thinking() -> None:
    assert render(_conversation(False).messages()) == (
        "<bos><|turn>system\nBe kind.<turn|>\n<|turn>user\nhi<turn|>\n<|turn>model\nhello<turn|>\n"
        "<|turn>user\nand?<turn|>\n<|turn>model\nfine<turn|>\n"
    )


def test_the_template_with_thinking_drops_older_thoughts() -> None:
    assert render(_conversation(True).messages(), thinking=True) == (
        "<bos><|turn>system\n<|think|>\nBe kind.<turn|>\n<|turn>user\nhi<turn|>\n<|turn>model\nhello<turn|>\n"
        "<|turn>user\nand?<turn|>\n<|turn>model\n<|channel>thought\nthought fine\n<channel|>fine<turn|>\n"
    )


@pytest.mark.parametrize(
    ("thinking", "learned"),
    [
        (False, "hello<turn|>fine<turn|>"),
        (True, "<|channel>thought\nthought fine\n<channel|>fine<turn|>"),
    ],
)
def test_only_the_models_own_tokens_are_learned(tokenizer: Tokenizer, thinking: bool, learned: str) -> None:
    ids, mask = encode(_conversation(thinking), tokenizer)
    kept = [token for token, flag in zip(ids, mask, strict=True) if flag]
    assert tokenizer.decode(kept, skip_special_tokens=False) == learned


def test_the_generation_prompt_is_a_prefix_of_the_learned_text(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    for conversation in some[:60]:
        ids, mask = encode(conversation, tokenizer)
        prompt = render(conversation.messages()[:-1], thinking=conversation.thinking, generation_prompt=True)
        prompt_ids = tokenizer.encode(prompt, add_special_tokens=False).ids
        assert ids[: len(prompt_ids)] == prompt_ids
        assert mask[len(prompt_ids)]
        assert not mask[len(prompt_ids) - 1]


def test_lessons_break_off_set_sentences_only(tokenizer: Tokenizer) -> None:
    cut = 0
    for lesson in islice(lessons(3), 200):
        whole, mask = encode(lesson, tokenizer)
        ids, shorter_mask = encode_lesson(lesson, tokenizer)
        assert ids == whole[: len(ids)]
        assert shorter_mask == mask[: len(ids)]
        if len(ids) < len(whole):
            assert lesson.exchanges[-1].fixed
            assert sum(shorter_mask) >= LESSON_TOKENS
            cut += 1
    assert cut > 50


def test_lessons_tell_every_two_set_sentences_apart(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    by_start: dict[tuple[int, ...], list[str]] = {}
    for answer in sorted({turn.answer for one in some for turn in one.exchanges if turn.fixed}):
        start = tokenizer.encode(answer, add_special_tokens=False).ids[:LESSON_TOKENS]
        by_start.setdefault(tuple(start), []).append(answer)
    for answers in by_start.values():
        shortest = min(answers, key=len)  # a short answer may be the beginning of the long one
        assert all(answer.startswith(shortest.rstrip(".")) for answer in answers), answers


# --- batches


def test_batches_hold_every_conversation_once(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    dataset = Dataset.of([encode(conversation, tokenizer) for conversation in some])
    seen: list[int] = []
    for rows in dataset.plan(2048, seed=1):
        seen.extend(rows.tolist())
        ids, labels = dataset.batch(rows)
        assert ids.shape == labels.shape
        assert ids.shape[1] == padded(ids.shape[1])
        assert ids.size <= 2048 or len(rows) == 1
        if len(seen) >= len(some):
            break
    assert sorted(seen) == list(range(len(some)))


def test_labels_are_the_learned_tokens(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    encoded = [encode(conversation, tokenizer) for conversation in some[:5]]
    ids, labels = Dataset.of(encoded).batch(np.arange(5))
    for row, (tokens, mask) in enumerate(encoded):
        expected = [token if flag else -100 for token, flag in zip(tokens, mask, strict=True)]
        assert ids[row, : len(tokens)].tolist() == tokens
        assert labels[row, : len(tokens)].tolist() == expected
        assert (labels[row, len(tokens) :] == -100).all()


def test_equal_seeds_give_equal_batches(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    dataset = Dataset.of([encode(conversation, tokenizer) for conversation in some])
    plans = [[rows.tolist() for rows in islice(dataset.plan(1024, seed=2), 80)] for _ in range(2)]
    assert plans[0] == plans[1]


# --- the model


def test_int4_rounding_agrees_with_the_conversion() -> None:
    torch = pytest.importorskip("torch")
    quantize = pytest.importorskip("inference.export.quantize")
    from resources.demo_model.training.quantisation import round_to_int4

    weights = torch.randn(24, 96, generator=torch.Generator().manual_seed(0))
    rounded = round_to_int4(weights)
    packed, scales = quantize.quantize_blockwise(weights.numpy(), 4)
    np.testing.assert_allclose(
        rounded.numpy(), quantize.dequantize_blockwise(packed, scales, 4, 96), rtol=1e-5, atol=1e-6
    )
    torch.testing.assert_close(round_to_int4(rounded), rounded)
    assert not torch.equal(rounded, weights)


def test_rounding_is_undone_after_the_block() -> None:
    torch = pytest.importorskip("torch")
    from resources.demo_model.training.quantisation import round_to_int4, rounded

    layer = torch.nn.Linear(64, 8)
    exact = layer.weight.detach().clone()
    with rounded(layer):
        torch.testing.assert_close(layer.weight.detach(), round_to_int4(exact))
        layer(torch.ones(1, 64)).sum().backward()
    torch.testing.assert_close(layer.weight.detach(), exact, rtol=0, atol=0)
    assert layer.weight.grad is not None


def test_every_input_width_is_a_multiple_of_the_int4_block() -> None:
    pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training.architecture import new_model
    from resources.demo_model.training.quantisation import BLOCK_SIZE, matrices

    model = new_model(0)
    assert all(weights.shape[1] % BLOCK_SIZE == 0 for weights in matrices(model))
    assert 3e6 < sum(parameter.numel() for parameter in model.parameters()) < 8e6


def test_padding_on_the_right_changes_no_answer(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training.architecture import new_model

    model = new_model(0).eval()
    dataset = Dataset.of([encode(conversation, tokenizer) for conversation in some[:2]])
    ids, _ = dataset.batch(np.arange(2))
    length = int(dataset.offsets[1])
    with torch.no_grad():
        alone = model(input_ids=torch.from_numpy(ids[:1, :length])).logits
        together = model(input_ids=torch.from_numpy(ids)).logits[:1, :length]
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-4)


def test_a_few_steps_lower_the_loss_and_the_checkpoint_reads_back(
    tmp_path, tokenizer: Tokenizer, some: list[Conversation]
) -> None:  # type: ignore[no-untyped-def]
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    from resources.demo_model.training import train
    from resources.demo_model.training.architecture import new_model
    from resources.demo_model.training.checkpoint import write_checkpoint
    from resources.demo_model.training.quantisation import round_to_int4

    model = new_model(0).train()
    batch = Dataset.of([encode(conversation, tokenizer) for conversation in some[:8]]).batch(np.arange(8))
    adam = train.optimiser(model)
    for group in adam.param_groups:
        group["lr"] = 3e-3
    losses = []
    for _ in range(6):
        loss = train.batch_loss(model, *batch, bfloat16=False)
        losses.append(loss.item())
        loss.backward()
        adam.step()
        adam.zero_grad()
    assert losses[-1] < losses[0] - 0.5
    write_checkpoint(model, tokenizer, tmp_path / "checkpoint")
    again = transformers.Gemma4ForCausalLM.from_pretrained(tmp_path / "checkpoint")
    name = "model.layers.0.mlp.gate_proj.weight"
    torch.testing.assert_close(again.state_dict()[name], round_to_int4(model.state_dict()[name]))
    assert sorted(path.name for path in (tmp_path / "checkpoint").iterdir()) == [
        "chat_template.jinja", "config.json", "generation_config.json", "larimar.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip


def test_the_loss_is_transformers_own(tokenizer: Tokenizer, some: list[Conversation]) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from resources.demo_model.training import train
    from resources.demo_model.training.architecture import new_model

    model = new_model(0).eval()
    ids, labels = Dataset.of([encode(conversation, tokenizer) for conversation in some[:4]]).batch(np.arange(4))
    with torch.no_grad():
        ours = train.batch_loss(model, ids, labels, bfloat16=False)
        theirs = model(input_ids=torch.from_numpy(ids), labels=torch.from_numpy(labels)).loss
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
