"""What stands under a reply, in words."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtGui import QGuiApplication

from app.conversation import Message, MessageStatus
from inference.messages import ReplyStats

translate = QCoreApplication.translate  # the name that lupdate looks for


def thought_label(message: Message) -> str:
    """Return the words on the button that unfolds the thought."""
    if message.thought_seconds is not None:
        seconds = max(1, round(message.thought_seconds))
        return translate("Layouter", "Thought for {seconds} s").format(seconds=seconds)
    if message.under_way:
        return translate("Layouter", "Thinking …")
    return translate("Layouter", "Thought")


def footer_note(message: Message) -> str:
    """Return what the line under a finished reply says."""
    parts = []
    if message.status is MessageStatus.STOPPED:
        parts.append(translate("Layouter", "Stopped"))
    elif message.finish_reason in ("length", "context"):
        parts.append(translate("Layouter", "Cut off: no more room for this reply"))
    if message.stats is not None:
        parts.extend(stats_words(message.stats))
    # each in its own direction, where the line as a whole is read from the right
    isolated = QGuiApplication.layoutDirection() is Qt.LayoutDirection.RightToLeft
    return "  ·  ".join(f"\u2068{part}\u2069" if isolated else part for part in parts)


def stats_words(stats: ReplyStats) -> list[str]:
    """Return the figures of a reply: speed, first token, drafts, context; without those that mean nothing."""
    if not stats.generated_tokens:
        return []
    parts = []
    if stats.tokens_per_second:
        parts.append(speed(stats.tokens_per_second))
    first = f"{stats.time_to_first_token:.2f}"
    parts.append(translate("Layouter", "first token {seconds} s").format(seconds=first))
    if stats.drafted_tokens:
        share = round(100 * stats.accepted_tokens / stats.drafted_tokens)
        parts.append(translate("Layouter", "{percent} % of drafts accepted").format(percent=share))
    if stats.context_length:
        used = f"{stats.prompt_tokens + stats.generated_tokens:,}"
        words = translate("Layouter", "{used} of {all} tokens of context")
        parts.append(words.format(used=used, all=f"{stats.context_length:,}"))
    if stats.dropped_turns == 1:
        parts.append(translate("Layouter", "the oldest message no longer fits"))
    elif stats.dropped_turns:
        words = translate("Layouter", "the {count} oldest messages no longer fit")
        parts.append(words.format(count=stats.dropped_turns))
    return parts


def speed(tokens_per_second: float) -> str:
    """Return a speed in words."""
    digits = 0 if tokens_per_second >= 10 else 1
    return translate("Layouter", "{speed} tokens/s").format(speed=f"{tokens_per_second:.{digits}f}")
