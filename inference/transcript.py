"""What was said, as text to read and as subtitles (SRT)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from typing import Final

from inference.transcription import Utterance

_CUE: Final = 84
"""Characters of a subtitle: two lines of 42, as broadcasters have it."""
_LINE: Final = 42


def joined_text(utterances: Iterable[Utterance], *, translated: bool = False) -> str:
    """Return what was said as one text; ``translated`` takes the translations, where there are some."""
    whole = ""
    for utterance in utterances:
        text = (utterance.translation if translated else "") or utterance.text
        if whole and text and not (_unspaced(whole[-1]) and _unspaced(text[0])):
            whole += " "
        whole += text
    return whole


def as_text(utterances: Sequence[Utterance], *, times: bool = False) -> str:
    """Return a text file: a line for each utterance, with its translation below; ``times`` puts the start before it."""
    lines = []
    for utterance in utterances:
        before = f"[{clock(utterance.start)}] " if times else ""
        lines.append(before + utterance.text)
        if utterance.translation:
            lines.append(" " * len(before) + utterance.translation)
    return "".join(f"{line}\n" for line in lines)


def as_srt(utterances: Sequence[Utterance], *, translated: bool = False) -> str:
    """Return subtitles; ``translated`` takes the translations, where there are some.

    A long utterance becomes several subtitles, whose times within it follow from the lengths of their texts.
    """
    cues = [cue for utterance in utterances for cue in _cues(utterance, translated)]
    return "".join(
        f"{number}\n{_srt_time(start)} --> {_srt_time(end)}\n{text}\n\n"
        for number, (start, end, text) in enumerate(cues, 1)
    )


def clock(seconds: float) -> str:
    """Return a time as 0:07, 12:34 or 1:02:03."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _cues(utterance: Utterance, translated: bool) -> Iterable[tuple[float, float, str]]:
    text = (utterance.translation if translated else "") or utterance.text
    pieces = textwrap.wrap(text, _CUE, break_on_hyphens=False)
    letters, start = sum(map(len, pieces)), utterance.start
    for piece in pieces:
        end = start + (utterance.end - utterance.start) * len(piece) / letters
        yield start, end, "\n".join(textwrap.wrap(piece, _LINE, break_on_hyphens=False))
        start = end


def _srt_time(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    whole = thousandths // 1000
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{thousandths % 1000:03}"


def _unspaced(letter: str) -> bool:
    """Return whether a letter is of a script that puts no spaces between words: Chinese, Japanese, Thai."""
    return "\u3000" <= letter <= "\u9fff" or "\uff00" <= letter <= "\uffef" or "\u0e00" <= letter <= "\u0e7f"
