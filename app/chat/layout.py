"""Where everything in one message goes. Nothing here paints."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from PySide6.QtCore import QCoreApplication, QPointF, QRectF
from PySide6.QtGui import QFontMetricsF, QTextDocument

from app.chat.documents import LINE_HEIGHT, DocumentMaker
from app.chat.markdown import Block, BlockKind, MarkdownBlocks
from app.chat.message import Message, MessageState
from app.theme import GRID, Theme

translate = QCoreApplication.translate  # the name that lupdate looks for

COLUMN_AT_MOST = 760
SIDE = 3 * GRID
_BUBBLE_PAD_X, _BUBBLE_PAD_Y = 16.0, 10.0
_CODE_PAD = 14.0
_CODE_HEAD = 32.0
_QUOTE_INDENT = 18.0
_GAP = 11.0  # between blocks
_AFTER_QUESTION = 2.0 * GRID
_AFTER_REPLY = 3.0 * GRID
_LINE = 28.0  # height of a line of controls
_MAX_BUBBLE = 0.82  # of the column


class PieceKind(Enum):
    """How a piece is painted."""

    BUBBLE = "bubble"
    PROSE = "prose"
    CODE = "code"
    QUOTE = "quote"
    RULE = "rule"
    THOUGHT = "thought"
    STATUS = "status"
    NOTE = "note"
    ERROR = "error"


class Action(Enum):
    """What a click on a button inside a message does."""

    FOLD_THOUGHT = "fold"
    COPY_MESSAGE = "copy"
    COPY_CODE = "copy code"


@dataclass(slots=True)
class Piece:
    """Something that is painted: a background ``rect`` and, inside it at ``origin``, a text."""

    kind: PieceKind
    rect: QRectF
    origin: QPointF
    document: QTextDocument | None = None
    label: str = ""
    progress: float | None = None
    """How far something is, from 0 to 1; ``None`` when nobody knows."""


@dataclass(slots=True)
class Button:
    """Something inside a message that can be clicked."""

    action: Action
    rect: QRectF
    label: str
    icon: str
    payload: str = ""


@dataclass(slots=True)
class MessageLayout:
    """The pieces of a message in its own coordinates, ``height`` pixels high."""

    width: int
    pieces: list[Piece] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    height: int = 0
    blocks: dict[Block, QTextDocument] = field(default_factory=dict)

    def piece_at(self, point: QPointF) -> int:
        """Return the index of the piece with text that is nearest to ``point`` in height; -1 when there is none."""
        best, distance = -1, float("inf")
        for index, piece in enumerate(self.pieces):
            if piece.document is None:
                continue
            away = max(piece.rect.top() - point.y(), point.y() - piece.rect.bottom(), 0.0)
            if away < distance:
                best, distance = index, away
        return best


class Layouter:
    """Lays messages out for a row width. Keeps what cannot change any more from one version to the next."""

    def __init__(self, theme: Theme) -> None:
        self._theme = theme
        self._documents = DocumentMaker(theme)
        self._growing: tuple[int, MarkdownBlocks] = (0, MarkdownBlocks())
        metrics = QFontMetricsF(theme.body_font)
        self._letter_width = max(metrics.averageCharWidth(), 1.0)
        self._line_height = metrics.lineSpacing() * LINE_HEIGHT / 100

    def lay_out(self, message: Message, width: int, *, unfolded: bool, before: MessageLayout | None) -> MessageLayout:
        """Return the layout of ``message``. ``before`` is that of an earlier version in the same width and theme."""
        layout = MessageLayout(width)
        column = float(max(120, min(COLUMN_AT_MOST, width - 2 * SIDE)))
        left = float((width - column) // 2)
        if message.role == "user":
            y = self._question(layout, message, left, column)
        else:
            old = before.blocks if before is not None and before.width == width else {}
            y = self._reply(layout, message, left, column, unfolded, old)
        layout.height = round(y)
        return layout

    def estimate(self, message: Message, width: int) -> int:
        """Return roughly how high ``message`` will be, without laying it out."""
        column = max(120, min(COLUMN_AT_MOST, width - 2 * SIDE))
        letters = max(1.0, column / self._letter_width)
        lines = 1 + message.text.count("\n") + len(message.text) / letters
        return round(lines * self._line_height + 60)

    def _question(self, layout: MessageLayout, message: Message, left: float, column: float) -> float:
        widest = column * _MAX_BUBBLE - 2 * _BUBBLE_PAD_X
        document = self._documents.plain(message.text, widest)
        text_width = min(widest, document.idealWidth() + 1)
        document.setTextWidth(text_width)
        box_width = text_width + 2 * _BUBBLE_PAD_X
        box_height = document.size().height() + 2 * _BUBBLE_PAD_Y
        rect = QRectF(left + column - box_width, _AFTER_QUESTION, box_width, box_height)
        origin = rect.topLeft() + QPointF(_BUBBLE_PAD_X, _BUBBLE_PAD_Y + self._leading() / 2)
        layout.pieces.append(Piece(PieceKind.BUBBLE, rect, origin, document))
        return rect.bottom() + _AFTER_QUESTION

    def _reply(
        self,
        layout: MessageLayout,
        message: Message,
        left: float,
        column: float,
        unfolded: bool,
        old: dict[Block, QTextDocument],
    ) -> float:
        y = 4.0
        if message.thought:
            y = self._thought(layout, message, left, column, y, unfolded)
        for block in self._blocks(message):
            document = old.get(block) or self._document(block, column)
            if document is not None:
                layout.blocks[block] = document
            y = self._block(layout, block, document, left, column, y) + _GAP
        for call in message.tool_calls:
            arguments = ", ".join(f"{name}={value!r}" for name, value in call.arguments.items())
            block = Block(BlockKind.CODE, "", f"{call.name}({arguments})", translate("Layouter", "tool call"))
            y = self._block(layout, block, self._document(block, column), left, column, y) + _GAP
        if message.error:
            y = self._error(layout, message.error, left, column, y) + _GAP
        status = self._status(message)
        if status:
            done, total = message.prefill or (0, 0)
            progress = done / total if total > 0 and done < total else None
            rect = QRectF(left, y, column, _LINE)
            layout.pieces.append(Piece(PieceKind.STATUS, rect, rect.topLeft(), None, status, progress))
            y += _LINE
        if not message.state.under_way:
            y = self._footer(layout, message, left, column, y)
        return y + _AFTER_REPLY

    def _blocks(self, message: Message) -> tuple[Block, ...]:
        if not message.state.under_way:
            return MarkdownBlocks().update(message.text)
        if self._growing[0] != message.id:
            self._growing = (message.id, MarkdownBlocks())
        return self._growing[1].update(message.text)

    def _document(self, block: Block, column: float) -> QTextDocument | None:
        if block.kind is BlockKind.RULE:
            return None
        inset = {BlockKind.CODE: 2 * _CODE_PAD, BlockKind.QUOTE: _QUOTE_INDENT}.get(block.kind, 0.0)
        return self._documents.block(block, column - inset)

    def _block(
        self,
        layout: MessageLayout,
        block: Block,
        document: QTextDocument | None,
        left: float,
        column: float,
        y: float,
    ) -> float:
        if document is None:
            layout.pieces.append(Piece(PieceKind.RULE, QRectF(left, y + 6, column, 1), QPointF(left, y)))
            return y + 13
        height = document.size().height()
        if block.kind is BlockKind.CODE:
            rect = QRectF(left, y, column, _CODE_HEAD + height + _CODE_PAD)
            origin = QPointF(left + _CODE_PAD, y + _CODE_HEAD + 2)
            layout.pieces.append(Piece(PieceKind.CODE, rect, origin, document, block.language))
            label = translate("Layouter", "Copy code")
            layout.buttons.append(
                self._button(Action.COPY_CODE, rect.right() - 4, y + 3, label, "copy", block.code, right=True)
            )
            return rect.bottom()
        if block.kind is BlockKind.QUOTE:
            rect = QRectF(left, y, column, height)
            layout.pieces.append(Piece(PieceKind.QUOTE, rect, QPointF(left + _QUOTE_INDENT, y), document))
            return rect.bottom()
        if block.kind is BlockKind.HEADING and layout.pieces:
            y += 10  # a little more air before a new section
        rect = QRectF(left, y, column, height)
        layout.pieces.append(Piece(PieceKind.PROSE, rect, rect.topLeft(), document))
        return rect.bottom()

    def _thought(
        self, layout: MessageLayout, message: Message, left: float, column: float, y: float, unfolded: bool
    ) -> float:
        icon = "unfold" if unfolded else "fold"
        layout.buttons.append(self._button(Action.FOLD_THOUGHT, left - 12, y, thought_label(message), icon))
        y += _LINE + 4
        if unfolded:
            document = self._documents.plain(message.thought.strip(), column - _QUOTE_INDENT, self._theme.small_font)
            rect = QRectF(left, y, column, document.size().height())
            layout.pieces.append(Piece(PieceKind.THOUGHT, rect, QPointF(left + _QUOTE_INDENT, y), document))
            y = rect.bottom() + _GAP
        return y

    def _error(self, layout: MessageLayout, sentence: str, left: float, column: float, y: float) -> float:
        inset = 44.0
        document = self._documents.plain(sentence, column - inset - _CODE_PAD)
        rect = QRectF(left, y, column, document.size().height() + 2 * _BUBBLE_PAD_Y)
        origin = QPointF(left + inset, y + _BUBBLE_PAD_Y + self._leading() / 2)
        layout.pieces.append(Piece(PieceKind.ERROR, rect, origin, document))
        return rect.bottom()

    def _footer(self, layout: MessageLayout, message: Message, left: float, column: float, y: float) -> float:
        x = left
        if message.text:
            button = self._button(Action.COPY_MESSAGE, left - 8, y - 4, translate("Layouter", "Copy"), "copy")
            layout.buttons.append(button)
            x = button.rect.right() + GRID
        note = footer_note(message)
        if note:
            rect = QRectF(x, y - 4, left + column - x, _LINE)
            layout.pieces.append(Piece(PieceKind.NOTE, rect, rect.topLeft(), None, note))
        return y + _LINE - 8 if message.text or note else y

    def _button(
        self, action: Action, x: float, y: float, label: str, icon: str, payload: str = "", *, right: bool = False
    ) -> Button:
        width = QFontMetricsF(self._theme.small_font).horizontalAdvance(label) + 16 + 4 + 2 * 8
        return Button(action, QRectF(x - width if right else x, y, width, _LINE - 2), label, icon, payload)

    def _leading(self) -> float:
        """Return the space that the line height adds below a line, to centre text in a box."""
        return QFontMetricsF(self._theme.body_font).height() * (LINE_HEIGHT / 100 - 1)

    def _status(self, message: Message) -> str:
        if message.state is not MessageState.WAITING:
            return ""
        if message.prefill and message.prefill[1] > 0 and message.prefill[0] < message.prefill[1]:
            return translate("Layouter", "Reading … {percent} %").format(
                percent=100 * message.prefill[0] // message.prefill[1]
            )
        return translate("Layouter", "Reading …") if message.prefill is None else translate("Layouter", "Answering …")


def thought_label(message: Message) -> str:
    """Return the words on the button that unfolds the thought."""
    if message.thought_seconds is not None:
        seconds = max(1, round(message.thought_seconds))
        return translate("Layouter", "Thought for {seconds} s").format(seconds=seconds)
    if message.state.under_way:
        return translate("Layouter", "Thinking …")
    return translate("Layouter", "Thought")


def footer_note(message: Message) -> str:
    """Return what the line under a finished reply says."""
    parts = []
    if message.state is MessageState.STOPPED:
        parts.append(translate("Layouter", "Stopped"))
    elif message.state is MessageState.CUT:
        parts.append(translate("Layouter", "Cut off: no more room for this reply"))
    stats = message.stats
    if stats is not None and stats.generated_tokens:
        one = stats.generated_tokens == 1
        words = translate("Layouter", "1 token") if one else translate("Layouter", "{count} tokens")
        parts.append(words.format(count=stats.generated_tokens))
        if stats.tokens_per_second:
            parts.append(speed(stats.tokens_per_second))
    return " · ".join(parts)


def speed(tokens_per_second: float) -> str:
    """Return a speed in words."""
    digits = 0 if tokens_per_second >= 10 else 1
    return translate("Layouter", "{speed} tokens/s").format(speed=f"{tokens_per_second:.{digits}f}")
