"""Where everything in one message goes. Nothing here paints."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from enum import Enum

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QGuiApplication, QTextDocument

from app.chat.footer import footer_note, thought_label
from app.chat.long_messages import AT_FIRST, affordable, cost_of, more_words
from app.chat.shown_message import ShownMessage
from app.conversation import Message
from app.json_words import json_words
from app.theme import GRID, Theme
from app.widgets.documents import LINE_HEIGHT, DocumentMaker
from app.widgets.markdown import Block, BlockKind, MarkdownBlocks
from inference.messages import Audio, Image, Text, ToolCall, ToolResult, Video

translate = QCoreApplication.translate  # the name that lupdate looks for

COLUMN_AT_MOST = 760
SIDE = 3 * GRID
TILE = 112.0
"""Side of the square in which an attachment is shown among others."""
_ALONE = (240.0, 180.0)  # of one that stands alone
_SOUND = (240.0, 52.0)
_BUBBLE_PAD_X, _BUBBLE_PAD_Y = 16.0, 10.0
_CODE_PAD = 14.0
_CODE_HEAD = 32.0
_QUOTE_INDENT = 18.0
_GAP = 11.0  # between blocks
_BEFORE_QUESTION = 2.0 * GRID
_AFTER_QUESTION = 0.0
_AFTER_REPLY = 2.0 * GRID
_LINE = 28.0  # height of a line of controls
_ICON_BUTTON = 30.0
_MAX_BUBBLE = 0.82  # of the column
_TOOLS_KEPT = 64


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
    BRANCH = "branch"
    ERROR = "error"
    MEDIA = "media"


class Action(Enum):
    """What a click on a button inside a message does."""

    FOLD_THOUGHT = "fold"
    COPY_MESSAGE = "copy"
    COPY_CODE = "copy code"
    EDIT = "edit"
    REGENERATE = "regenerate"
    READ_ALOUD = "read aloud"
    PREVIOUS_BRANCH = "previous branch"
    NEXT_BRANCH = "next branch"
    OPEN_MEDIA = "open media"
    SHOW_MORE = "show more"


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
    media: Image | Audio | Video | None = None
    block: Block | None = None
    """Of code that can be highlighted."""


@dataclass(slots=True)
class Button:
    """Something inside a message that can be clicked."""

    action: Action
    rect: QRectF
    label: str
    icon: str
    payload: str = ""
    words: bool = True
    """Whether the label stands beside the icon; else it is the tool tip."""
    quiet: bool = False
    """Whether it is shown only where the reader is."""
    enabled: bool = True
    media: Image | Audio | Video | None = None


@dataclass(slots=True)
class MessageLayout:
    """The pieces of a message in its own coordinates, ``height`` pixels high."""

    width: int
    pieces: list[Piece] = field(default_factory=list)
    buttons: list[Button] = field(default_factory=list)
    height: int = 0
    blocks: dict[Block, QTextDocument] = field(default_factory=dict)
    thought: tuple[str, QTextDocument] | None = None
    hidden: int = 0
    """Characters of the message that are not shown."""
    first: tuple[float, int, int] = (0.0, 0, 0)
    """Where the blocks of a reply begin: in pixels, in the pieces and in the buttons."""
    steps: list[tuple[Block, int, int, float]] = field(default_factory=list)
    """The blocks of a reply, and for each where the next one begins, likewise."""

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

    def take_over(self, before: MessageLayout, blocks: list[Block]) -> tuple[int, float]:
        """Take over what is the same as in an earlier version; return how many blocks, and where they end.

        A frame of a reply that streams so costs what is new in it, however much there is already.
        """
        same = 0
        if before.first == self.first:
            for step, block in zip(before.steps, blocks, strict=False):
                if step[0] is not block:
                    break
                same += 1
        if not same:
            return 0, self.first[0]
        _, pieces, buttons, end = before.steps[same - 1]
        self.steps = before.steps[:same]
        self.pieces += before.pieces[self.first[1] : pieces]
        self.buttons += before.buttons[self.first[2] : buttons]
        self.blocks = dict(before.blocks)
        for block, *_ in before.steps[same:]:
            self.blocks.pop(block, None)
        return same, end

    def mirror(self) -> None:
        """Turn left and right round, for languages that are written from the right."""
        for piece in self.pieces:
            old = piece.rect.x()
            piece.rect.moveLeft(self.width - piece.rect.right())
            if piece.document is not None:
                inset = piece.origin.x() - old
                free = piece.rect.width() - inset - piece.document.textWidth()
                piece.origin.setX(piece.rect.x() + max(0.0, free))
            else:
                piece.origin.setX(piece.rect.x())
        for button in self.buttons:
            button.rect.moveLeft(self.width - button.rect.right())


class Layouter:
    """Lays messages out for a row width. Keeps what cannot change any more from one version to the next."""

    def __init__(self, theme: Theme, *, speaks: bool = False) -> None:
        """Lay out in the type of ``theme``; ``speaks``: replies can be read aloud."""
        self._theme = theme
        self._speaks = speaks
        self._documents = DocumentMaker(theme)
        self._growing: tuple[str, dict[int, MarkdownBlocks]] = ("", {})
        self._tools: OrderedDict[int, tuple[ToolCall | ToolResult, Block]] = OrderedDict()
        self._mirrored = QGuiApplication.layoutDirection() is Qt.LayoutDirection.RightToLeft
        metrics = QFontMetricsF(theme.body_font)
        self._letter_width = max(metrics.averageCharWidth(), 1.0)
        self._line_height = metrics.lineSpacing() * LINE_HEIGHT / 100

    def lay_out(
        self,
        shown: ShownMessage,
        width: int,
        *,
        unfolded: bool,
        before: MessageLayout | None,
        budget: int | None = None,
    ) -> MessageLayout:
        """Return the layout of a message. ``before`` is that of an earlier version in the same width and theme.

        ``budget``: what its text may cost, see :mod:`app.chat.long_messages`; ``None``: all of it is shown.
        """
        layout = MessageLayout(width)
        column = float(max(120, min(COLUMN_AT_MOST, width - 2 * SIDE)))
        left = float((width - column) // 2)
        if shown.message.role == "user":
            y = self._question(layout, shown, left, column, budget)
        else:
            same = before if before is not None and before.width == width else MessageLayout(width)
            y = self._reply(layout, shown, left, column, unfolded, same, budget)
        layout.height = round(y)
        if self._mirrored:
            layout.mirror()
        return layout

    def estimate(self, message: Message, width: int) -> int:
        """Return roughly how high ``message`` will be, without laying it out."""
        column = max(120, min(COLUMN_AT_MOST, width - 2 * SIDE))
        letters = max(1.0, column / self._letter_width)
        text = message.text
        length = min(len(text), AT_FIRST)
        lines = 1 + text.count("\n", 0, length) + length / letters
        return round(lines * self._line_height + 60 + (_ALONE[1] if message.media else 0))

    # --- questions ---

    def _question(
        self, layout: MessageLayout, shown: ShownMessage, left: float, column: float, budget: int | None
    ) -> float:
        message, right, y = shown.message, left + column, _BEFORE_QUESTION
        if message.media:
            y = self._attachments(layout, message, right, column, y) + (GRID if message.text else 0)
        if message.text:
            widest = column * _MAX_BUBBLE - 2 * _BUBBLE_PAD_X
            length = affordable(message.text, budget)
            document = self._documents.plain(message.text[:length], widest)
            text_width = min(widest, document.idealWidth() + 1)
            document.setTextWidth(text_width)
            box_width = text_width + 2 * _BUBBLE_PAD_X
            box_height = document.size().height() + 2 * _BUBBLE_PAD_Y
            rect = QRectF(right - box_width, y, box_width, box_height)
            origin = rect.topLeft() + QPointF(_BUBBLE_PAD_X, _BUBBLE_PAD_Y + self._leading() / 2)
            layout.pieces.append(Piece(PieceKind.BUBBLE, rect, origin, document))
            y = rect.bottom()
            if length < len(message.text):
                y = self._more(layout, len(message.text) - length, rect.left(), right, y)
        offered = [
            (Action.EDIT, translate("Layouter", "Edit"), "edit"),
            (Action.COPY_MESSAGE, translate("Layouter", "Copy"), "copy"),
        ]
        if not message.text:
            del offered[1]
        x = right - len(offered) * _ICON_BUTTON + 6
        for action, label, icon in offered:
            layout.buttons.append(self._icon_button(action, x, y + 2, label, icon, quiet=True))
            x += _ICON_BUTTON
        if shown.siblings:
            self._branches(layout, shown, right - len(offered) * _ICON_BUTTON - self._branches_width(shown), y + 2)
        return y + _LINE + _AFTER_QUESTION

    def _attachments(self, layout: MessageLayout, message: Message, right: float, column: float, y: float) -> float:
        media = message.media
        alone = len(media) == 1
        rows: list[list[tuple[Image | Audio | Video, float, float]]] = [[]]
        used = 0.0
        for part in media:
            width, height = _SOUND if isinstance(part, Audio) else _ALONE if alone else (TILE, TILE)
            width = min(width, column)
            if rows[-1] and used + width > column:
                rows.append([])
                used = 0.0
            rows[-1].append((part, width, height))
            used += width + GRID
        for row in rows:
            x = right - sum(width for _, width, _ in row) - GRID * (len(row) - 1)
            highest = max(height for _, _, height in row)
            for part, width, height in row:
                rect = QRectF(x, y + highest - height, width, height)
                layout.pieces.append(Piece(PieceKind.MEDIA, rect, rect.topLeft(), media=part))
                label = translate("Layouter", "Open attachment")
                layout.buttons.append(Button(Action.OPEN_MEDIA, QRectF(rect), label, "", words=False, media=part))
                x += width + GRID
            y += highest + GRID
        return y - GRID

    # --- replies ---

    def _reply(
        self,
        layout: MessageLayout,
        shown: ShownMessage,
        left: float,
        column: float,
        unfolded: bool,
        before: MessageLayout,
        budget: int | None,
    ) -> float:
        y, message = 4.0, shown.message
        hidden = 0
        if message.thought:
            y, hidden = self._thought(layout, message, left, column, y, unfolded, before, budget)
        found, unread = self._blocks(message, budget)
        hidden += unread
        layout.first = (y, len(layout.pieces), len(layout.buttons))
        done = 0
        if budget is None and not self._mirrored:
            done, y = layout.take_over(before, found)
        for number, whole in enumerate(found[done:], done):
            block = whole
            if budget is not None and block.kind is BlockKind.CODE:
                length = affordable(block.code, max(budget, 1))
                budget -= min(budget, cost_of(block.code))
                hidden += len(block.code) - length
                block = replace(block, code=block.code[:length]) if length < len(block.code) else block
            document = before.blocks.get(block) or self._grown(before, number, block) or self._document(block, column)
            if document is not None:
                layout.blocks[block] = document
            y = self._block(layout, block, document, left, column, y, copied=whole.code) + _GAP
            layout.steps.append((whole, len(layout.pieces), len(layout.buttons), y))
        if hidden:
            y = self._more(layout, hidden, left, left + column, y - _GAP) + _GAP
        if message.error:
            y = self._error(layout, message.error, left, column, y) + _GAP
        status = self._status(shown)
        if status:
            done, total = shown.prefill or (0, 0)
            progress = done / total if total > 0 and done < total else None
            rect = QRectF(left, y, column, _LINE)
            layout.pieces.append(Piece(PieceKind.STATUS, rect, rect.topLeft(), None, status, progress))
            y += _LINE
        if not message.under_way and message.role == "assistant":
            y = self._footer(layout, shown, left, column, y)
        return y + _AFTER_REPLY

    def _grown(self, before: MessageLayout, number: int, block: Block) -> QTextDocument | None:
        """Return the document of the code that stood last, made longer, when ``block`` is what it has become."""
        if number != len(before.steps) - 1:
            return None
        last = before.steps[number][0]
        document = before.blocks.get(last)
        if document is None or not _grows(last, block) or any(step[0] == last for step in before.steps[:number]):
            return None  # of equal blocks, all show the same document
        self._documents.append(document, block.code[len(last.code) :])
        return document

    def _blocks(self, message: Message, budget: int | None) -> tuple[list[Block], int]:
        """Return the blocks of a reply in the order in which its parts came, and how many letters are left out."""
        found: list[Block] = []
        unread = 0
        for number, part in enumerate(message.parts):
            if isinstance(part, Text):
                left = None if budget is None else max(0, budget)
                parser = self._parser(message.id, number)
                found += parser.update(part.text, left)
                unread += parser.unread
                budget = None if budget is None else budget - parser.cost
            elif isinstance(part, ToolCall | ToolResult):
                found.append(self._tool_block(part))
        return found, unread

    def _parser(self, message_id: str, part: int) -> MarkdownBlocks:
        # The parsers of what grew last are kept, also past its end: parsing a long reply anew would be felt.
        if self._growing[0] != message_id:
            self._growing = (message_id, {})
        return self._growing[1].setdefault(part, MarkdownBlocks())

    def _tool_block(self, part: ToolCall | ToolResult) -> Block:
        kept = self._tools.get(id(part))
        if kept is None or kept[0] is not part:
            kept = self._tools[id(part)] = (part, tool_block(part))
            while len(self._tools) > _TOOLS_KEPT:
                self._tools.popitem(last=False)
        return kept[1]

    def _more(self, layout: MessageLayout, count: int, left: float, right: float, y: float) -> float:
        """Say how many letters are not shown, and offer to show more of them."""
        layout.hidden = count
        words = more_words(count)
        width = QFontMetricsF(self._theme.small_font).horizontalAdvance(words) + 8
        rect = QRectF(left + 4, y, min(width, right - left), _LINE)
        layout.pieces.append(Piece(PieceKind.NOTE, rect, rect.topLeft(), None, words))
        label = translate("Layouter", "Show more")
        layout.buttons.append(self._button(Action.SHOW_MORE, rect.right() + 4, y, label, "unfold"))
        return y + _LINE

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
        *,
        copied: str,
    ) -> float:
        if document is None:
            layout.pieces.append(Piece(PieceKind.RULE, QRectF(left, y + 6, column, 1), QPointF(left, y)))
            return y + 13
        height = document.size().height()
        if block.kind is BlockKind.CODE:
            rect = QRectF(left, y, column, _CODE_HEAD + height + _CODE_PAD)
            origin = QPointF(left + _CODE_PAD, y + _CODE_HEAD + 2)
            name = block.title or block.language
            layout.pieces.append(Piece(PieceKind.CODE, rect, origin, document, name, block=block))
            label = translate("Layouter", "Copy code")
            layout.buttons.append(
                self._button(Action.COPY_CODE, rect.right() - 4, y + 3, label, "copy", copied, right=True)
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
        self,
        layout: MessageLayout,
        message: Message,
        left: float,
        column: float,
        y: float,
        unfolded: bool,
        before: MessageLayout,
        budget: int | None,
    ) -> tuple[float, int]:
        """Add the thought; return where it ends, and how many letters of it are not shown."""
        icon = "unfold" if unfolded else "fold"
        layout.buttons.append(self._button(Action.FOLD_THOUGHT, left - 12, y, thought_label(message), icon))
        y += _LINE + 4
        if not unfolded:
            return y, 0
        whole = message.thought.strip()
        text = whole[: affordable(whole, budget)]
        old, document = before.thought or ("", None)
        if document is not None and text.startswith(old):
            self._documents.append(document, text[len(old) :])
        else:
            document = self._documents.plain(text, column - _QUOTE_INDENT, self._theme.small_font)
        layout.thought = (text, document)
        rect = QRectF(left, y, column, document.size().height())
        layout.pieces.append(Piece(PieceKind.THOUGHT, rect, QPointF(left + _QUOTE_INDENT, y), document))
        return rect.bottom() + _GAP, len(whole) - len(text)

    def _error(self, layout: MessageLayout, sentence: str, left: float, column: float, y: float) -> float:
        inset = 44.0
        document = self._documents.plain(sentence, column - inset - _CODE_PAD)
        rect = QRectF(left, y, column, document.size().height() + 2 * _BUBBLE_PAD_Y)
        origin = QPointF(left + inset, y + _BUBBLE_PAD_Y + self._leading() / 2)
        layout.pieces.append(Piece(PieceKind.ERROR, rect, origin, document))
        return rect.bottom()

    def _footer(self, layout: MessageLayout, shown: ShownMessage, left: float, column: float, y: float) -> float:
        message, x, y = shown.message, left - 8, y - 5
        if shown.siblings:
            x = self._branches(layout, shown, x, y)
        offered = [(Action.REGENERATE, translate("Layouter", "Ask for another reply"), "regenerate")]
        if message.text:
            offered.insert(0, (Action.COPY_MESSAGE, translate("Layouter", "Copy"), "copy"))
            if self._speaks:
                offered.append((Action.READ_ALOUD, translate("Layouter", "Read aloud"), "speaker"))
        for action, label, icon in offered:
            layout.buttons.append(self._icon_button(action, x, y, label, icon))
            x += _ICON_BUTTON
        note = footer_note(message)
        if note:
            rect = QRectF(x + 4, y, left + column - x - 4, _LINE)
            layout.pieces.append(Piece(PieceKind.NOTE, rect, rect.topLeft(), None, note))
        return y + _LINE

    # --- controls ---

    def _branches(self, layout: MessageLayout, shown: ShownMessage, x: float, y: float) -> float:
        """Add ‹ 2/3 › and return where it ends."""
        number, count = shown.branch + 1, len(shown.siblings)
        label = branch_label(shown)
        middle = self._branches_width(shown) - 2 * 24.0
        ends = (
            (Action.PREVIOUS_BRANCH, x, translate("Layouter", "Previous version"), "previous", number > 1),
            (Action.NEXT_BRANCH, x + 24 + middle, translate("Layouter", "Next version"), "next", number < count),
        )
        for action, at, words, icon, enabled in ends:
            rect = QRectF(at, y, 24, _LINE - 2)
            layout.buttons.append(Button(action, rect, words, icon, words=False, enabled=enabled))
        rect = QRectF(x + 24, y, middle, _LINE - 2)
        layout.pieces.append(Piece(PieceKind.BRANCH, rect, rect.topLeft(), None, label))
        return x + 48 + middle + 4

    def _branches_width(self, shown: ShownMessage) -> float:
        return 48 + QFontMetricsF(self._theme.small_font).horizontalAdvance(branch_label(shown)) + 4

    @staticmethod
    def _icon_button(action: Action, x: float, y: float, label: str, icon: str, *, quiet: bool = False) -> Button:
        return Button(action, QRectF(x, y, _ICON_BUTTON - 2, _LINE - 2), label, icon, words=False, quiet=quiet)

    def _button(
        self, action: Action, x: float, y: float, label: str, icon: str, payload: str = "", *, right: bool = False
    ) -> Button:
        width = QFontMetricsF(self._theme.small_font).horizontalAdvance(label) + 16 + 4 + 2 * 8
        return Button(action, QRectF(x - width if right else x, y, width, _LINE - 2), label, icon, payload)

    def _leading(self) -> float:
        """Return the space that the line height adds below a line, to centre text in a box."""
        return QFontMetricsF(self._theme.body_font).height() * (LINE_HEIGHT / 100 - 1)

    @staticmethod
    def _status(shown: ShownMessage) -> str:
        if not shown.waiting:
            return ""
        if shown.prefill and shown.prefill[1] > 0 and shown.prefill[0] < shown.prefill[1]:
            percent = 100 * shown.prefill[0] // shown.prefill[1]
            return translate("Layouter", "Reading … {percent} %").format(percent=percent)
        return translate("Layouter", "Reading …") if shown.prefill is None else translate("Layouter", "Answering …")


def _grows(old: Block, new: Block) -> bool:
    """Whether code only became longer, so that its document need not be made anew."""
    same = old.kind is new.kind is BlockKind.CODE and (old.language, old.title) == (new.language, new.title)
    return same and new.code.startswith(old.code)


def branch_label(shown: ShownMessage) -> str:
    """Return which of its versions a message is."""
    return f"{shown.branch + 1}/{len(shown.siblings)}"


def tool_block(part: ToolCall | ToolResult) -> Block:
    """Return a tool's name and arguments, or what it gave back, as a block of code."""
    value = part.arguments if isinstance(part, ToolCall) else part.value
    if isinstance(value, str):
        code, language = value, ""
    else:
        code, language = json_words(dict(value)), "json"
    call = isinstance(part, ToolCall)
    words = translate("Layouter", "Tool call: {name}") if call else translate("Layouter", "Result of {name}")
    return Block(BlockKind.CODE, "", code, language, words.format(name=part.name))
