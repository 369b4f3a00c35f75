"""Text to token ids and back, by the ``tokenizer.json`` of a model folder."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import tokenizers

from inference.errors import ContextFullError, ForeignFileError, LarimarError, ModelFolderError
from inference.tokenizer_bounds import check_parts, read_tokenizer

_MARKER = re.compile(r"<\|[^<>\s]+>|<[^<>\s]+\|>")
"""How Gemma 4 spells its control tokens; not every converter flags them as special."""
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MOST_CHARACTERS: Final = 200_000_000
"""Of a text, times what its normalizer may make of one: a library that makes a few dozen bytes of each character."""
_ANCHOR: Final = "a"
"""Stands before a token whose text in the middle of a text is wanted."""


class Tokenizer:
    """Token ids of one model. One thread at a time may use it."""

    def __init__(self, backend: tokenizers.Tokenizer, source: str) -> None:
        self._backend = backend
        self._source = source
        with self._sound():
            self._set_up(backend)

    def _set_up(self, backend: tokenizers.Tokenizer) -> None:
        source = self._source
        backend.no_truncation()
        backend.no_padding()
        backend.post_processor = None  # what surrounds a text comes from the chat template
        added = backend.get_added_tokens_decoder()
        unflagged = [token for token in added.values() if not token.special and _MARKER.fullmatch(token.content)]
        self._growth = check_parts(
            source,
            normalizer=_as_json(backend.normalizer),
            pre_tokenizer=_as_json(backend.pre_tokenizer),
            decoder=_as_json(backend.decoder),
            model=type(backend.model).__name__,
            added=((token.content, token.special or token in unflagged) for token in added.values()),
        )
        if backend.model.dropout is not None:
            raise ForeignFileError(source, "draws by chance how words are divided")
        # The backend can only ignore what is flagged as special.
        backend.add_special_tokens(unflagged)
        names = {token.content for token in added.values() if token.special} | {token.content for token in unflagged}
        self._guarded = {token.content: index for index, token in added.items() if token.content in names}
        self._lengths = sorted({len(name) for name in self._guarded}, reverse=True)
        self._control = {name: index for name, index in self._guarded.items() if not _BYTE.fullmatch(name)}
        self._control_names = {index: name for name, index in self._control.items()}
        self._pieces: dict[int, str | int] = {}
        if not self._decodes_like_gemma():
            raise ModelFolderError(
                f"{source} is not laid out like Gemma's tokenizer; download or convert the model again."
            )

    @classmethod
    def open(cls, path: Path) -> Tokenizer:
        """Read ``tokenizer.json``. Raises :class:`ModelFolderError` when it is missing, damaged or of another kind."""
        try:
            content = read_tokenizer(path)
        except ForeignFileError as error:
            what = f"{path} is missing" if error.missing else str(error).rstrip(".")
            raise ModelFolderError(f"{what}; download or convert the model again.") from error
        with _raising(f"{path} cannot be read; download or convert the model again."):
            backend = tokenizers.Tokenizer.from_buffer(content)
        del content
        return cls(backend, str(path))

    @property
    def vocab_size(self) -> int:
        """Number of token ids, control tokens included."""
        return self._backend.get_vocab_size(with_added_tokens=True)

    @property
    def control_names(self) -> Mapping[int, str]:
        """The control tokens, which are not text: id to name."""
        return MappingProxyType(self._control_names)

    @property
    def guarded_characters(self) -> str:
        """The characters that a control token can begin with."""
        return "".join(sorted({name[0] for name in self._guarded}))

    def control_id(self, name: str) -> int:
        """Return the id of a control token. Raises :class:`ModelFolderError` when the model has none of that name."""
        index = self._control.get(name)
        if index is None:
            raise ModelFolderError(f"{self._source} lacks the token {name}; it does not belong to a Gemma 4 model.")
        return index

    def optional_control_id(self, name: str) -> int | None:
        """Return the id of a control token, or ``None`` when the model has none of that name."""
        return self._control.get(name)

    def token_name(self, index: int) -> str | None:
        """Return how the vocabulary spells a token, or ``None`` when there is no such id."""
        return self._backend.id_to_token(index) if 0 <= index < 1 << 32 else None

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text in which control tokens are meant as such. Nothing is added around them."""
        if len(text) * self._growth > _MOST_CHARACTERS:
            raise ContextFullError(f"The text is far too long: {len(text):,} characters. Attach or paste a part of it.")
        with self._sound():
            return list(self._backend.encode(_without_surrogates(text), add_special_tokens=False).ids)

    def encode_literally(self, text: str) -> list[int]:
        """Return the ids of a text in which nothing is a control token, whatever it spells."""
        self._backend.encode_special_tokens = True
        try:
            ids = self.encode(text)
            if any(index in self._control_names for index in ids):
                # A vocabulary whose words include its control tokens; letter by letter they cannot come about.
                ids = [index for character in text for index in self.encode(character)]
        finally:
            self._backend.encode_special_tokens = False
        return ids

    def encode_prompt(self, text: str, typed: Collection[int] = ()) -> list[int]:
        """Return the ids of a rendered prompt.

        No control token is read at the positions ``typed``. Where none would have been, the ids are those of
        :meth:`encode`; otherwise the text between the real control tokens is encoded literally.
        """
        spans, harmless = self._control_spans(text, frozenset(typed)) if typed else ([], True)
        if harmless:
            return self.encode(text)
        ids: list[int] = []
        at = 0
        for start, name in spans:
            ids += self.encode_literally(text[at:start])
            ids.append(self._guarded[name])
            at = start + len(name)
        return ids + self.encode_literally(text[at:])

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of ``ids``, control tokens included."""
        with self._sound():
            return self._backend.decode(list(ids), skip_special_tokens=False)

    def detokenizer(self) -> StreamingDetokenizer:
        """Return a detokenizer for one reply."""
        return StreamingDetokenizer(self)

    def piece(self, index: int) -> str | int:
        """Return what a token stands for in the middle of a text: a text, or one byte of UTF-8 (0 to 255)."""
        piece = self._pieces.get(index)
        if piece is None:
            name = self._backend.id_to_token(index)
            if name is None:
                piece = ""
            elif match := _BYTE.fullmatch(name):
                piece = int(match[1], 16)
            else:
                piece = self._decoded([_ANCHOR, name])[len(_ANCHOR) :]
            self._pieces[index] = piece
        return piece

    def token_bytes(self, count: int) -> list[bytes]:
        """Return what the tokens 0 to ``count`` - 1 stand for in the middle of a text, in UTF-8.

        A control token stands for its name; an id that has no token stands for nothing.
        """
        pieces = [b""] * count
        for name, index in self._backend.get_vocab(with_added_tokens=True).items():
            if index < count:
                byte = None if index in self._control_names else _BYTE.fullmatch(name)
                pieces[index] = bytes((int(byte[1], 16),)) if byte else name.replace("▁", " ").encode()
        return pieces

    def _control_spans(self, text: str, typed: frozenset[int]) -> tuple[list[tuple[int, str]], bool]:
        """Return where control tokens really are, and whether none was spelt at the ``typed`` positions."""
        spans: list[tuple[int, str]] = []
        harmless = True
        beginning = re.compile("[" + re.escape(self.guarded_characters) + "]")
        at = 0
        while match := beginning.search(text, at):
            start = match.start()
            name = next(
                (text[start : start + n] for n in self._lengths if text[start : start + n] in self._guarded), ""
            )
            at = start + 1
            if name and start in typed:
                harmless = False
            elif name:
                spans.append((start, name))
                at = start + len(name)
        return spans, harmless

    def _decodes_like_gemma(self) -> bool:
        return (
            self._decoded([_ANCHOR, "▁b"]) == "a b" and self._decoded([_ANCHOR, "<0xE2>", "<0x82>", "<0xAC>"]) == "a€"
        )

    def _decoded(self, names: list[str]) -> str:
        decoder = self._backend.decoder
        with self._sound():
            return str(decoder.decode(names)) if decoder is not None else " ".join(names)

    def _sound(self) -> AbstractContextManager[None]:
        return _raising(f"{self._source} is damaged: it cannot be used. Download or convert the model again.")


class StreamingDetokenizer:
    """Turns tokens to text one by one, without ever showing half a character.

    A character outside the vocabulary arrives as several tokens, one a byte; its text is held back until the last.
    Bytes that are not UTF-8 become U+FFFD. Each token costs the same, however long the text is.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def add_token(self, index: int) -> str:
        """Return the text that became final with this token; often empty, never half a character."""
        piece = self._tokenizer.piece(index)
        if isinstance(piece, int):
            return self._bytes.decode(bytes((piece,)))
        return self.finalize() + piece

    def finalize(self) -> str:
        """Return what is still held back. The next token begins a new text."""
        return self._bytes.decode(b"", final=True)


@contextmanager
def _raising(sentence: str) -> Iterator[None]:
    """Let what the library raises become a :class:`ModelFolderError`.

    Its own errors are bare exceptions, and where it panics, as for a table that is damaged, it raises what is no
    :class:`Exception` at all and would end any thread.
    """
    try:
        yield
    except ForeignFileError as error:
        raise ModelFolderError(f"{str(error).rstrip('.')}; download or convert the model again.") from error
    except (LarimarError, KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError):
        raise
    except BaseException as error:
        raise ModelFolderError(sentence) from error


def _as_json(part: Any) -> Any:
    return None if part is None else json.loads(part.__getstate__())


def _without_surrogates(text: str) -> str:
    """Half a surrogate pair, which a broken paste can hold, is no character; positions stay as they are."""
    return _SURROGATE.sub("\ufffd", text)
