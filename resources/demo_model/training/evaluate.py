"""Third stage: how often is the greedy answer right, intent by intent.

``python -m resources.demo_model.training.evaluate [CHECKPOINT]`` prints the tables of the model card: wordings that
the generator makes but that were never trained on, and questions written by hand outside of the generator.
"""

from __future__ import annotations

import argparse
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .architecture import GENERATION
from .conversations import INTENTS, Conversation
from .exchange import State
from .handwritten import HANDWRITTEN
from .prepare import RUNS
from .rendering import render
from .topics import memory

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer

Answerer = Callable[[list[str]], list[str]]
"""Takes prompts (rendered), gives the texts that follow, up to and without the end of the turn."""

ANSWER_TOKENS = 96


@dataclass(frozen=True, slots=True)
class Probe:
    """One question with what came before it, and how to judge the answer."""

    intent: str
    prompt: str
    right: Callable[[str], bool]
    question: str


def probes(seed: int, each: int, thinking: bool = False) -> list[Probe]:
    """Return ``each`` single questions of every intent in held-out wordings, and memory after one to four turns."""
    rng = random.Random(seed)
    found = []
    for intent in INTENTS:
        for _ in range(each):
            try:
                exchange = intent.source(rng, State(), True)
            except LookupError:
                continue  # short wordings only, none of which is held out
            found.append(_probe(Conversation("", (exchange,), thinking)))
    for _ in range(each * 3):
        kind = rng.choices(memory.KINDS, memory.KIND_WEIGHTS)[0]
        state = State(memory={kind: memory.value_of(kind, rng)})
        turns = [memory.tell(kind, state.memory[kind], rng, State(), False)]
        for _ in range(rng.randint(0, 3)):
            turns.append(rng.choice(INTENTS).source(rng, State(), False))
        try:
            turns.append(memory.ask(kind, rng, state, True))
        except LookupError:
            continue
        found.append(_probe(Conversation("", tuple(turns), thinking)))
    return found


def _probe(conversation: Conversation) -> Probe:
    last = conversation.exchanges[-1]
    accepted = frozenset(last.accepted)
    intent = "memory" if last.intent.startswith("remembers") else last.intent
    return Probe(intent, _prompt(conversation), accepted.__contains__, last.question)


def _prompt(conversation: Conversation) -> str:
    messages = conversation.messages()[:-1]
    return render(messages, thinking=conversation.thinking, generation_prompt=True)


def handwritten_probes() -> list[Probe]:
    """Return the questions that were written by hand; an answer is right when it holds one of the marks."""
    found = []
    for intent, turns, marks in HANDWRITTEN:
        messages = [
            {"role": "user" if number % 2 == 0 else "assistant", "content": text} for number, text in enumerate(turns)
        ]
        prompt = render(messages, generation_prompt=True)
        found.append(Probe(intent, prompt, lambda answer, marks=marks: any(m in answer for m in marks), turns[-1]))
    return found


def transformers_answerer(model: torch.nn.Module, tokenizer: Tokenizer, batch: int = 48) -> Answerer:
    """Return greedy decoding with transformers, many prompts at a time (padded on the left)."""
    import torch

    def answer(prompts: list[str]) -> list[str]:
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
        answers = [""] * len(prompts)
        for start in range(0, len(order), batch):
            some = order[start : start + batch]
            encoded = [tokenizer.encode(prompts[index], add_special_tokens=False).ids for index in some]
            longest = max(map(len, encoded))
            ids = torch.tensor([[0] * (longest - len(one)) + one for one in encoded])
            mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in encoded])
            with torch.no_grad():
                out = model.generate(
                    input_ids=ids, attention_mask=mask, max_new_tokens=ANSWER_TOKENS, do_sample=False,
                    temperature=None, top_k=None, top_p=None, eos_token_id=GENERATION["eos_token_id"], pad_token_id=0,
                )  # fmt: skip
            for index, row in zip(some, out[:, longest:].tolist(), strict=True):
                text = tokenizer.decode(row, skip_special_tokens=False)
                answers[index] = text.split("<turn|>")[0].split("<eos>")[0].split("<pad>")[0]
        return answers

    return answer


def engine_answerer(folder: Path) -> Answerer:
    """Return greedy decoding with Larimar's own language model, from a converted model folder."""
    from tokenizers import Tokenizer

    from inference.cancellation import CancelToken
    from inference.language_model import LanguageModel
    from inference.model_folder import ModelFolder

    opened = ModelFolder.open(folder)
    model, cancel = LanguageModel.open(opened), CancelToken()
    tokenizer = Tokenizer.from_file(str(opened.tokenizer_path))

    def answer_one(prompt: str) -> str:
        for _ in model.prefill(tokenizer.encode(prompt, add_special_tokens=False).ids, cancel):
            pass
        ids: list[int] = []
        token = int(model.logits.argmax())
        while token not in GENERATION["eos_token_id"] and len(ids) < ANSWER_TOKENS:
            ids.append(token)
            model.step(token, cancel)
            token = int(model.logits.argmax())
        return tokenizer.decode(ids, skip_special_tokens=False)

    return lambda prompts: [answer_one(prompt) for prompt in prompts]


def _open_checkpoint(folder: Path) -> Answerer:
    import torch
    from tokenizers import Tokenizer
    from transformers import Gemma4ForCausalLM

    model = Gemma4ForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return transformers_answerer(model, Tokenizer.from_file(str(folder / "tokenizer.json")))


def without_thought(answer: str) -> str:
    """Return what follows the thought channel."""
    return answer.rpartition("<channel|>")[2] if answer.startswith("<|channel>") else answer


def score(some: Iterable[Probe], answerer: Answerer) -> tuple[dict[str, tuple[int, int]], list[tuple[Probe, str]]]:
    """Return right answers and questions by intent, and the wrong answers."""
    some = list(some)
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    wrong = []
    for probe, answer in zip(some, answerer([probe.prompt for probe in some]), strict=True):
        good = probe.right(without_thought(answer))
        counts[probe.intent][0] += good
        counts[probe.intent][1] += 1
        if not good:
            wrong.append((probe, answer))
    return {intent: (right, total) for intent, (right, total) in counts.items()}, wrong


def table(counts: dict[str, tuple[int, int]]) -> str:
    """Return a Markdown table with a last row for all."""
    lines = ["| intent | right | of |", "|---|---|---|"]
    lines += [f"| {intent} | {right} | {total} |" for intent, (right, total) in sorted(counts.items())]
    right, total = (sum(column) for column in zip(*counts.values(), strict=True))
    return "\n".join([*lines, f"| **all** | **{right}** | **{total}** ({right / total:.1%}) |"])


def main(arguments: list[str] | None = None) -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(prog="evaluate", description="Measure the demo model's answers.")
    parser.add_argument("checkpoint", nargs="?", type=Path, default=RUNS / "v0" / "checkpoint")
    parser.add_argument("--engine", action="store_true", help="CHECKPOINT is a converted model folder for our engine")
    parser.add_argument("--each", type=int, default=12, help="questions for each intent")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--wrong", type=int, default=30, help="how many wrong answers to show")
    parser.add_argument("--think", action="store_true", help="with thinking on")
    options = parser.parse_args(arguments)

    answerer = (engine_answerer if options.engine else _open_checkpoint)(options.checkpoint)
    for title, some in (
        ("Held-out wordings", probes(options.seed, options.each, options.think)),
        ("Written by hand", [] if options.think else handwritten_probes()),
    ):
        if some:
            counts, wrong = score(some, answerer)
            print(f"\n## {title}\n\n{table(counts)}\n")
            for probe, answer in islice(wrong, options.wrong):
                print(f"- {probe.intent}: {probe.question!r} -> {answer!r}")


if __name__ == "__main__":
    main()
