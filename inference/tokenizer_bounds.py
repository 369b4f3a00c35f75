"""Looks over a stranger's ``tokenizer.json`` before it is used: is there anything in it that multiplies or hangs?

The library builds whatever such a file describes: normalizers that make a hundred characters of one, regular
expressions that take for ever on the wrong text, tables of any size. Gemma's tokenizer needs little of that. So there
are lists of the parts that are taken, each of which is linear in the text; patterns must be of a form that never goes
back; and the file has a size.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from inference.errors import ForeignFileError
from inference.foreign_files import read_bytes

MAX_BYTES: Final = 128 << 20
"""Gemma's own file has 32 MB."""
MAX_VALUES: Final = 4_000_000
"""Values in it; Gemma's has two million: 262,144 tokens and twice as many halves of merges."""
MAX_GROWTH: Final = 32
"""Characters that a normalizer may make of one."""

_MAX_PARTS: Final = 32
_MAX_PATTERN: Final = 500
_NORMALIZERS: Final = frozenset("Sequence Replace Prepend Strip NFC NFD NFKC NFKD Lowercase Nmt StripAccents".split())  # noqa: SIM905
_PRE_TOKENIZERS: Final = frozenset(
    (  # noqa: SIM905
        "Sequence Split Metaspace Whitespace WhitespaceSplit Punctuation Digits ByteLevel CharDelimiterSplit "
        "UnicodeScripts BertPreTokenizer"
    ).split()
)
_DECODERS: Final = frozenset("Sequence Replace ByteFallback Fuse Strip Metaspace ByteLevel".split())  # noqa: SIM905
_COMPATIBLE: Final = {"NFKC": 18, "NFKD": 18, "NFD": 4, "NFC": 4, "Lowercase": 3}
"""Characters that one may become, at most, by Unicode's tables."""

_ESCAPED_LETTER: Final = re.compile(rb"\\u00[4-7]")
_TRULY_ESCAPED_LETTER: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u00[4-7]")
_PATTERN: Final = re.compile(rb'"Regex"\s*:\s*("(?:[^"\\]|\\.)*+")', re.DOTALL)
_AFFIXES: Final = (
    re.compile(rb'"continuing_subword_prefix"\s*:\s*"[^"]'),
    re.compile(rb'"end_of_word_suffix"\s*:\s*"[^"]'),
)
"""Gemma has neither; with one, tokenizers 0.23 cuts through characters, and ends the process."""
_CLASS_ITEM: Final = r"(?:\\[pP]\{\^?\w{1,30}\}|\\[nrtsSdDwWvf]|\\[^A-Za-z0-9]|[^\[\]\\&])"
_ATOM: Final = (
    rf"(?:\[\^?{_CLASS_ITEM}+\]|\\[pP]\{{\^?\w{{1,30}}\}}|\\[nrtsSdDwWvf]|\\[^A-Za-z0-9]|[^\\^$|?*+()\[\]{{}}])"
)
_LINEAR: Final = re.compile(rf"(?:{_ATOM}\??)*(?:{_ATOM}[+*])?(?:\|(?:{_ATOM}\??)*(?:{_ATOM}[+*])?)*")


def read_tokenizer(path: Path) -> bytes:
    """Return the content of a ``tokenizer.json`` that the library may be given.

    Raises:
        ForeignFileError: it is no regular file, too large, or has a pattern that could take for ever.
    """
    content = read_bytes(path, MAX_BYTES)
    if content.count(b",") + content.count(b"[") + content.count(b"{") > MAX_VALUES:
        raise ForeignFileError(path, "holds too many values")
    if _ESCAPED_LETTER.search(content) and _TRULY_ESCAPED_LETTER.search(content):
        # nobody writes letters so, but whoever wants to hide a name from the search for patterns
        raise ForeignFileError(path, "spells letters as escape sequences")
    if any(affix.search(content) for affix in _AFFIXES):
        raise ForeignFileError(path, "marks parts of words, which Gemma's tokenizer does not")
    for match in _PATTERN.finditer(content):
        try:
            pattern = json.loads(match[1])
        except ValueError as error:
            raise ForeignFileError(path, "is no JSON") from error
        if not is_linear(pattern):
            raise ForeignFileError(path, "has a regular expression that Larimar does not run")
    return content


def is_linear(pattern: str) -> bool:
    """Return whether a regular expression takes time in proportion to the text, whatever that is.

    Taken are alternatives of characters and classes of them, each of which may be optional, and the last repeated
    without end: then nothing that follows can fail, so that nothing is tried twice.
    """
    return len(pattern) <= _MAX_PATTERN and _LINEAR.fullmatch(pattern) is not None


def check_parts(
    source: object, *, normalizer: Any, pre_tokenizer: Any, decoder: Any, model: str, added: Iterator[tuple[str, bool]]
) -> int:
    """Look over what the library made of a file; return how many characters may become of one.

    Args:
        source: the file.
        normalizer: as JSON has it; ``None`` for none.
        pre_tokenizer: the same.
        decoder: the same.
        model: its type.
        added: text of each added token, and whether it is a control token.

    Raises:
        ForeignFileError: a part is of a kind that is not taken, or multiplies its text.
    """
    if model != "BPE":
        raise ForeignFileError(source, f"is of the type {model}, not of Gemma's (BPE)")
    growth = 1.0
    for part in _parts(source, normalizer, _NORMALIZERS, "normalizers"):
        growth *= _growth(part)
    if growth > MAX_GROWTH:
        raise ForeignFileError(source, "has a normalizer that multiplies the text")
    for _ in _parts(source, pre_tokenizer, _PRE_TOKENIZERS, "pretokenizers"):
        pass
    decoded = 1.0
    for part in _parts(source, decoder, _DECODERS, "decoders"):
        decoded *= _growth(part)
    if decoded > MAX_GROWTH:
        raise ForeignFileError(source, "has a decoder that multiplies the text")
    for text, control in added:
        if len(text) > (100 if control else 1000):
            raise ForeignFileError(source, "has an added token of more characters than such a token can have")
    return int(growth) + 1


def _parts(source: object, part: Any, taken: frozenset[str], key: str) -> Iterator[dict[str, Any]]:
    """Yield a part and those inside of it."""
    stack, count = [part], 0
    while stack:
        each = stack.pop()
        if each is None:
            continue
        count += 1
        if not isinstance(each, dict) or each.get("type") not in taken or count > _MAX_PARTS:
            kind = each.get("type") if isinstance(each, dict) else None
            raise ForeignFileError(source, f"has a part that Gemma's tokenizer has not ({kind})")
        stack += each.get(key) or []
        yield each


def _growth(part: dict[str, Any]) -> float:
    kind, content = part["type"], len(part.get("content") or "")
    if kind == "Replace":
        pattern = part.get("pattern") or {}
        # an expression may match an empty text, anywhere
        return max(1.0, content / len(pattern["String"])) if pattern.get("String") else 1.0 + content
    if kind == "Prepend":
        return 1.0 + len(part.get("prepend") or "")
    return _COMPATIBLE.get(kind, 1)
