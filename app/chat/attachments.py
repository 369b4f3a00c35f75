"""What is attached to the message that is being written: checked in the background, refused with a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QImage

from app.background import Background
from app.chat.attachment_check import (
    Checked,
    Kind,
    check_file,
    check_pasted,
    count_pages,
    kind_of,
    render_page,
)
from app.chat.media_tiles import name_of_part
from app.chat.thumbnails import MediaPart, Thumbnail, Thumbnails, make_thumbnail
from app.visual_detail import picture_tokens, sound_tokens, video_tokens
from inference.cancellation import CancelToken
from inference.errors import LarimarError
from inference.media.image import DEFAULT_BUDGET
from inference.media.isolated import warm
from inference.messages import Audio, Image, Video

_Value = TypeVar("_Value")

PAGES_AT_ONCE = 8
"""Pages of a PDF that are attached without asking which."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One thing attached; without ``checked`` it is still being looked at."""

    id: int
    name: str
    kind: Kind | None
    """``None`` while nobody knows."""
    checked: Checked | None = None


class Attachments(QObject):
    """The list of attachments, in the order in which they came."""

    changed = Signal()
    """Something was added, removed, or is ready now."""
    refused = Signal(str)
    """Something cannot be attached; carries a sentence for the user."""
    pages_wanted = Signal(object, int, int)
    """A long PDF was added: its path, its number of pages, and the id of its place in the list. Whoever asks the user
    calls :meth:`put_pages`."""

    def __init__(self, background: Background, thumbnails: Thumbnails, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._thumbnails = thumbnails
        self._items: list[Attachment] = []
        self._ids = count(1)
        self._decoding: dict[int, CancelToken] = {}
        """Of what is still being looked at, by its id."""
        self._model_name = ""
        self._modalities: frozenset[str] | None = None
        self.detail: int | None = None
        """Soft tokens for every picture; ``None`` is automatic."""

    @property
    def items(self) -> tuple[Attachment, ...]:
        """What is attached."""
        return tuple(self._items)

    @property
    def pending(self) -> bool:
        """Whether something is still being looked at."""
        return any(item.checked is None for item in self._items)

    @property
    def parts(self) -> tuple[MediaPart, ...]:
        """What is ready, as parts of a message."""
        return tuple(self._part(item.checked) for item in self._items if item.checked is not None)

    @property
    def pictures(self) -> bool:
        """Whether there are pictures, for which the visual detail matters."""
        return any(item.kind in ("image", "pdf") for item in self._items)

    @property
    def tokens(self) -> int:
        """Roughly how many tokens the model reads for all of them."""
        return sum(self._tokens(item.checked) for item in self._items if item.checked is not None)

    @property
    def unsuitable(self) -> str:
        """Why the loaded model cannot take what is attached, in a sentence; empty when it can."""
        for item in self._items:
            if item.kind is not None and (sentence := self._cannot(item.kind, item.name)):
                return sentence
        return ""

    def set_model(self, name: str, modalities: frozenset[str] | None) -> None:
        """Say which model will be asked; ``None`` while that is not known."""
        self._model_name, self._modalities = name, modalities
        self.changed.emit()

    def add_files(self, paths: Sequence[Path]) -> None:
        """Attach files of the user, whatever they are."""
        for path in paths:
            item = self._add(path.name, None)
            self._decode(item, partial(kind_of, path), partial(self._kind_known, item, path))

    def add_pasted(self, image: QImage) -> None:
        """Attach a picture of the clipboard."""
        name = self.tr("Pasted picture")
        if self._takes("image", name):
            item = self._add(name, "image")
            copy = image.copy()
            self._decode(item, partial(check_pasted, copy, name), partial(self._ready, item))

    def put_pages(self, item_id: int, path: Path, pages: Sequence[int]) -> None:
        """Attach pages of a PDF, numbered from 0, in the place of the PDF itself; none takes it away."""
        place = next((number for number, item in enumerate(self._items) if item.id == item_id), None)
        if place is None:
            return  # removed meanwhile
        new = [Attachment(next(self._ids), f"{path.name}, {page + 1}", "pdf") for page in pages]
        self._items[place : place + 1] = new
        for item, page in zip(new, pages, strict=True):
            self._decode(item.id, partial(render_page, path, page), partial(self._ready, item.id))
        self.changed.emit()

    def add_parts(self, parts: Sequence[MediaPart]) -> None:
        """Attach what a message had attached before."""
        for part in parts:
            kind: Kind = "image" if isinstance(part, Image) else "audio" if isinstance(part, Audio) else "video"
            item = self._add(name_of_part(part), kind)
            detail = (part.soft_tokens if isinstance(part, Image) else None) or DEFAULT_BUDGET

            def ready(made: Thumbnail, item: int = item, part: MediaPart = part, detail: int = detail) -> None:
                bare = Image(part.source) if isinstance(part, Image) else part
                self._ready(item, Checked(bare, name_of_part(part), made, detail))

            self._decode(item, partial(make_thumbnail, part), ready)

    def remove(self, item_id: int) -> None:
        """Take one away; what is still being looked at ends."""
        self._items = [item for item in self._items if item.id != item_id]
        self._give_up()
        self.changed.emit()

    def clear(self) -> None:
        """Take all away."""
        self._items.clear()
        self._give_up()
        self.changed.emit()

    def expect(self) -> None:
        """Get ready for a file, which the user is about to choose."""
        self._background.decode(lambda cancel: warm(), lambda _: None, lambda _: None)

    def _decode(self, item_id: int, work: Callable[[CancelToken], _Value], done: Callable[[_Value], object]) -> None:
        """Look at what was attached, until it is taken away."""
        self._decoding[item_id] = self._background.decode(work, done, partial(self._bad, item_id))

    def _give_up(self) -> None:
        """End what is done for attachments that are there no longer, or that are ready."""
        wanted = {item.id for item in self._items if item.checked is None}
        for item_id in [each for each in self._decoding if each not in wanted]:
            self._decoding.pop(item_id).cancel()

    def _kind_known(self, item_id: int, path: Path, kind: Kind) -> None:
        if not any(item.id == item_id for item in self._items):
            return  # removed meanwhile
        if not self._takes(kind, path.name):
            self.remove(item_id)
        elif kind == "pdf":
            self._decode(item_id, partial(count_pages, path), partial(self._pages_known, item_id, path))
        else:
            self._items = [replace(item, kind=kind) if item.id == item_id else item for item in self._items]
            self._decode(item_id, partial(check_file, path, kind), partial(self._ready, item_id))
            self.changed.emit()

    def _pages_known(self, item_id: int, path: Path, pages: int) -> None:
        if pages <= PAGES_AT_ONCE:
            self.put_pages(item_id, path, range(pages))
        else:
            self.pages_wanted.emit(path, pages, item_id)

    def _add(self, name: str, kind: Kind | None) -> int:
        item = Attachment(next(self._ids), name, kind)
        self._items.append(item)
        self.changed.emit()
        return item.id

    def _ready(self, item_id: int, checked: Checked) -> None:
        self._thumbnails.put(checked.part, checked.thumbnail)
        for number, item in enumerate(self._items):
            if item.id == item_id:
                kind = "audio" if isinstance(checked.part, Audio) else item.kind  # a film may be sound alone
                self._items[number] = replace(item, checked=checked, kind=kind)
                self._decoding.pop(item_id, None)
                self.changed.emit()

    def _bad(self, item_id: int, error: Exception) -> None:
        if any(item.id == item_id for item in self._items):
            self.remove(item_id)
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        known = isinstance(error, LarimarError)
        self.refused.emit(str(error) if known else self.tr("This cannot be attached: something went wrong."))

    def _takes(self, kind: Kind, name: str) -> bool:
        sentence = self._cannot(kind, name)
        if sentence:
            self.refused.emit(sentence)
        return not sentence

    def _cannot(self, kind: Kind, name: str) -> str:
        needed = "image" if kind == "pdf" else kind
        if self._modalities is None or needed in self._modalities:
            return ""
        cannot = {
            "image": self.tr("{model} cannot see pictures, so “{name}” cannot be sent to it."),
            "pdf": self.tr("{model} cannot see pages, so “{name}” cannot be sent to it."),
            "audio": self.tr("{model} cannot hear, so “{name}” cannot be sent to it."),
            "video": self.tr("{model} cannot watch videos, so “{name}” cannot be sent to it."),
        }[kind]
        return cannot.format(model=self._model_name, name=name) + " " + self.tr("Choose a model that can.")

    def _part(self, checked: Checked) -> MediaPart:
        if isinstance(checked.part, Image):
            return Image(checked.part.source, self.detail or checked.automatic_detail)
        return checked.part

    def _tokens(self, checked: Checked) -> int:
        seconds = checked.thumbnail.seconds or 0.0
        if isinstance(checked.part, Image):
            return picture_tokens(checked.thumbnail.size, self.detail or checked.automatic_detail)
        if isinstance(checked.part, Video):
            return video_tokens(seconds, checked.thumbnail.size)
        return sound_tokens(seconds)
