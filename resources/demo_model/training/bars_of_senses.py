"""The bars that are no shares of right answers: word error rates, what the drafter saves, and how long things take."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from inference.messages import Audio, Done, ReplyOptions, Text, Turn

from .audio.augmentation import NOISY, QUIET, Conditions
from .audio.examples import transcription_turns, wav_bytes
from .audio.recordings import LEFT_OUT_SPEAKER
from .audio.transcripts import word_error_rate
from .audio.unheard import clips
from .conversations import lesson

if TYPE_CHECKING:
    from inference.engine import Engine

HEARING = {
    "digit strings, unseen recordings of the training's speakers": ("digits_seen", 0.05),
    f"digit strings, a speaker never heard in training ({LEFT_OUT_SPEAKER})": ("digits_left_out", 0.15),
    "commands, a synthetic voice never heard in training": ("commands_unseen_voice", 0.15),
    "commands, voices of the training": ("commands_seen_voices", 0.15),
}
"""Name in the table; the set of :func:`.audio.unheard.clips`, and the word error rate that is allowed."""
DRAFTS = 4
_GREEDY = ReplyOptions(temperature=0.0, max_tokens=120)


def said(engine: Engine, turns: list[Turn], options: ReplyOptions = _GREEDY) -> str:
    """Return the engine's answer."""
    return "".join(event.text for event in engine.reply(turns, options) if isinstance(event, Text)).strip()


def transcriptions(
    engine: Engine, name: str, count: int, conditions: Conditions, left_out: str = LEFT_OUT_SPEAKER
) -> list[tuple[str, str]]:
    """Return what the first clips of a set say and what the engine writes down by the documented prompt."""
    some = clips(name, count, conditions, left_out)
    return [(clip.written, said(engine, transcription_turns(clip.samples))) for clip in some]


def hearing(engine: Engine, count: int, wrong: int = 0) -> Iterator[str]:
    """Yield the table's rows for hearing; sets whose recordings are not there are left out.

    Each row ends with the rate in a noisy room. ``wrong`` transcriptions that are wrong follow.
    """
    for row, (name, most) in HEARING.items():
        try:
            quiet = transcriptions(engine, name, count, QUIET)
            noisy = transcriptions(engine, name, count, NOISY)
        except FileNotFoundError as error:
            yield f"({row}: {error})"
            continue
        rates = f"{word_error_rate(quiet):.1%} (in a noisy room {word_error_rate(noisy):.1%})"
        yield f"| {row}: word error rate | at most {most:.0%} | {rates} |"
        yield from [f"  - {pair[0]!r} but {pair[1]!r}" for pair in quiet if pair[0] != pair[1]][:wrong]
    try:
        some = list(clips("questions_unseen_voice", count, QUIET, None))
    except FileNotFoundError:
        return
    answers = [said(engine, [Turn("user", (Audio(wav_bytes(clip.samples)),))]) for clip in some]
    right = sum(answer in clip.answers for clip, answer in zip(some, answers, strict=True))
    yield f"| spoken questions by that voice, answered | | {right / len(some):.1%} ({right} of {len(some)}) |"


def tokens_per_pass(engine: Engine, count: int, seed: int) -> float:
    """Return how many tokens a run of the model brings, with four drafts each time, greedy, on unseen questions.

    Raises:
        ValueError: the model has no drafter.
    """
    from inference.draft_policy import FixedDrafts
    from inference.speculation import Speculator

    if not isinstance(engine._speculator, Speculator) or not engine._speculator.model.has_drafter:
        raise ValueError("this model has no drafter")
    policy, engine._speculator.policy = engine._speculator.policy, FixedDrafts(DRAFTS)
    tokens = passes = 0
    try:
        for index in range(count):
            question = lesson(random.Random(f"{seed} drafts {index}")).exchanges[0].question
            done = list(engine.reply([Turn.of("user", question)], _GREEDY))[-1]
            if isinstance(done, Done):
                # the first token comes with the prompt
                tokens, passes = tokens + done.stats.generated_tokens - 1, passes + done.stats.target_passes
    finally:
        engine._speculator.policy = policy
    return tokens / max(passes, 1)


def times(folder: Path, count: int = 7) -> Iterator[str]:
    """Yield the rows for loading and for the first token of a short question, medians, on two threads."""
    from inference.engine import Engine

    loading, first = [], []
    for index in range(count):
        start = time.perf_counter()
        engine = Engine.open(folder, threads=2)
        loading.append(time.perf_counter() - start)
        done = list(engine.reply([Turn.of("user", f"What is {index + 2} plus 5?")], _GREEDY))[-1]
        if isinstance(done, Done):
            first.append(done.stats.time_to_first_token)
        engine.close()
    yield f"| loading | at most 1.5 s | {statistics.median(loading):.2f} s |"
    yield f"| first token | at most 250 ms | {statistics.median(first) * 1000:.0f} ms |"
