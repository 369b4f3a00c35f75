"""Which addresses may be opened, and bare addresses in a text: https://…, www.…, mailto:… and a@b.c become links.

The rules are those of GitHub's autolinks with two differences. An address ends at a letter or mark of East Asian
scripts that follows its host, because no space stands between them and it. And what could pass for another host is no
link at all: user information before an “@”, hosts in other letters than ASCII, and directional marks.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

LINK_SCHEMES: Final = frozenset({"http", "https", "mailto"})
_LONGEST: Final = 2000
"""Characters of an address; what is longer stays text."""
_HOST: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){0,8}[A-Za-z0-9][A-Za-z0-9-]{0,62}(?::\d{1,5})?"
_WIDE: Final = "\u2e80-\u303f\uff00-\uffef"
"""Marks of East Asian scripts: 。，、「」（）…"""
_HIDDEN: Final = "\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u2060-\u206f\ufeff\ufff9-\uffff"
_PATH: Final = rf"(?:[/?#][^{_HIDDEN}{_WIDE}<>`\"“”‘’«»]*)?"
_AFTER_SCHEME: Final = re.compile(rf"//({_HOST})({_PATH})")
_SCHEME: Final = re.compile(r"(?:^|[^A-Za-z0-9.+\-])(https?)$", re.IGNORECASE)
_BARE: Final = re.compile(
    rf"(?<![A-Za-z0-9./@:+\-])(?:(?P<www>www\.{_HOST}{_PATH})"
    r"|(?:mailto:)?(?P<mail>[A-Za-z0-9][A-Za-z0-9._+\-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24})(?![\w@]))"
)
_TRAILING: Final = re.compile(r"(?:[?!.,:;*_~'\")\]}]|&[A-Za-z0-9]{1,16};)$")
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}


def is_safe_link(address: str) -> bool:
    """Whether ``address`` may be opened after the user has seen it."""
    try:
        return urlsplit(address.strip()).scheme.lower() in LINK_SCHEMES
    except ValueError:
        return False


def links_plugin(parser: MarkdownIt) -> None:
    """Let ``parser`` make links of bare addresses."""
    parser.inline.ruler.after("text", "address", _address)
    parser.core.ruler.after("inline", "bare_addresses", _bare_addresses)


def _address(state: StateInline, silent: bool) -> bool:
    """Read “://…” after a scheme that stands in what is pending; links come before emphasis and formulas."""
    if state.src[state.pos] != ":" or state.linkLevel > 0 or silent:
        return False
    begun = state.pending[-8:]  # the longest scheme and what stands before it
    scheme, found = _SCHEME.search(begun), _AFTER_SCHEME.match(state.src, state.pos + 1, state.posMax)
    if scheme is None or found is None:
        return False
    end = found.end()
    if not found[2] and _goes_on(state.src[end : min(end + 2, state.posMax)]):
        return False
    address = _without_trailing(found.group())
    if len(address) > _LONGEST or address == "//":
        return False
    state.pending = state.pending[: -len(scheme[1])]
    _push(state, f"{scheme[1]}:{address}")
    state.pos += 1 + len(address)
    return True


def _goes_on(after: str) -> bool:
    """Whether the two characters after a host would make it another one."""
    if not after:
        return False
    if after[0] in "_:":
        return after[1:].isalnum()
    return after[0] in "@\\%" or (after[0].isalnum() and ord(after[0]) < 0x2E80)


def _without_trailing(address: str) -> str:
    """Leave to the sentence the marks that belong to it, and brackets that are not opened in the address."""
    counts = {mark: address.count(mark) for pair in _PAIRS.items() for mark in pair}
    while found := _TRAILING.search(address[-18:]):
        mark = found.group()
        if mark in _PAIRS:
            if counts[mark] <= counts[_PAIRS[mark]]:
                break
            counts[mark] -= 1
        address = address[: -len(mark)]
    return address


def _push(state: StateInline, address: str) -> None:
    href = state.md.normalizeLink(address)
    token = state.push("link_open", "a", 1)
    token.attrs, token.markup, token.info = {"href": href}, "linkify", "auto"
    state.push("text", "", 0).content = address
    token = state.push("link_close", "a", -1)
    token.markup, token.info = "linkify", "auto"


def _bare_addresses(state: StateCore) -> None:
    """Find www.… and mail addresses in the text outside links."""
    for token in state.tokens:
        if token.type == "inline" and token.children and ("www." in token.content or "@" in token.content):
            token.children = _linked(token.children)


def _linked(children: list[Token]) -> list[Token]:
    made: list[Token] = []
    inside = 0
    for child in children:
        inside += child.nesting if child.type in ("link_open", "link_close") else 0
        if child.type != "text" or inside:
            made.append(child)
            continue
        done = 0
        for found in _BARE.finditer(child.content):
            words = _without_trailing(found.group())
            if len(words) > _LONGEST or (found["www"] and _goes_on(child.content[found.end() : found.end() + 2])):
                continue
            made.append(_text(child, child.content[done : found.start()]))
            done = found.start() + len(words)
            address = f"http://{words}" if found["www"] else f"mailto:{words.removeprefix('mailto:')}"
            opening = Token("link_open", "a", 1, attrs={"href": address}, level=child.level)
            closing = Token("link_close", "a", -1, level=child.level)
            made += [opening, _text(child, words), closing]
        made.append(_text(child, child.content[done:]) if done else child)
    return made


def _text(like: Token, content: str) -> Token:
    return Token("text", "", 0, content=content, level=like.level)
