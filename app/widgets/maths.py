"""LaTeX formulas as readable HTML: letters italic, scripts raised and lowered, symbols as themselves.

QTextDocument cannot set formulas as TeX does. What it can show honestly is shown: fractions become (a + b)/c, a root
gets its bar, matrices are written in rows. What is not understood stays as it was written.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from typing import Any, Final

FAMILY: Final = "'STIX Two Text', 'Cambria', 'Latin Modern Roman', 'DejaVu Serif', serif"

_TIGHT: Final = {"-": "−", "*": "∗", "'": "′", "~": " "}
_RELATIONS: Final = frozenset("=<>≤≥≠≈≡→⇒⇔↦∈∉⊂⊆∪∩+−±∓×÷·∧∨∼≃≅∝⟶↔←⇐")
_SIGNS: Final = frozenset("+−±∓")
"""What stands before a number as well as between two."""
_UPRIGHT: Final = frozenset({"text", "mathrm", "textrm", "operatorname", "mathsf", "texttt", "mathtt", "mbox"})
_BOLD: Final = frozenset({"mathbf", "textbf", "boldsymbol", "bm"})
_ACCENTS: Final = {
    "hat": "̂",
    "bar": "̄",
    "vec": "⃗",
    "tilde": "̃",
    "dot": "̇",
    "ddot": "̈",
    "widehat": "̂",
    "overrightarrow": "⃗",
}
_BIG: Final = frozenset({"left", "right", "big", "Big", "bigg", "Bigg", "bigl", "bigr", "middle", "Bigl", "Bigr"})
_SPACES: Final = {",": " ", ";": " ", ":": " ", " ": " ", "quad": "  ", "qquad": "    ", "!": "", "\\": "<br/>"}
_SILENT: Final = frozenset({"displaystyle", "textstyle", "limits", "nolimits", "label", "tag", "nonumber", "notag"})
_FENCES: Final = {
    "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "vmatrix": ("|", "|"), "Bmatrix": ("{", "}"), "cases": ("{", ""),
}  # fmt: skip
_FRACTIONS: Final = frozenset({"frac", "dfrac", "tfrac", "cfrac"})
_READ_AT_MOST: Final = 4000
"""Characters of a formula that is read; a longer one stays as it was written."""
_NESTED_AT_MOST: Final = 60
_of_thread = threading.local()


@lru_cache(maxsize=512)
def maths_html(latex: str) -> str:
    """Return ``latex`` as safe HTML. Never raises."""
    try:
        if len(latex) > _READ_AT_MOST or _depth(latex) > _NESTED_AT_MOST:
            raise ValueError("nobody wrote this by hand")
        from pylatexenc.latexwalker import LatexWalker

        nodes, _, _ = LatexWalker(latex.strip(), tolerant_parsing=True).get_latex_nodes()
        inner = _Writer().nodes(nodes)
    except Exception:  # the text is a model's; whatever it wrote is shown rather than nothing
        inner = escape(latex.strip())
    return f'<span style="font-family:{escape(FAMILY, quote=True)}">{inner}</span>'


class _Writer:
    """Writes nodes of pylatexenc as HTML."""

    def nodes(self, nodes: Sequence[Any]) -> str:
        """Return a row of nodes; ``^`` and ``_`` take the atom that follows."""
        out: list[str] = []
        script = ""
        for atom in self._atoms(nodes):
            if atom in ("^", "_") and not script:
                script = "sup" if atom == "^" else "sub"
            elif script:
                out.append(f"<{script}>{atom.strip()}</{script}>")
                script = ""
            elif atom.strip() in _SIGNS and (not out or out[-1].endswith((" ", "(", "[", ","))):
                out.append(atom.strip())
            else:
                out.append(atom)
        return "".join(out)

    def _atoms(self, nodes: Sequence[Any]) -> list[str]:
        atoms: list[str] = []
        for node in nodes:
            kind = type(node).__name__
            if kind == "LatexCharsNode":
                atoms += [_character(character) for character in node.chars if not character.isspace()]
            elif kind == "LatexGroupNode":
                atoms.append(self.nodes(node.nodelist))
            elif kind == "LatexMacroNode":
                atoms.append(self._macro(node))
            elif kind == "LatexEnvironmentNode":
                atoms.append(self._environment(node))
            elif kind == "LatexSpecialsNode":
                atoms.append(" " if node.specials_chars in ("&", "~") else escape(node.specials_chars))
            elif kind == "LatexMathNode":
                atoms.append(self.nodes(node.nodelist))
        return atoms

    def _macro(self, node: Any) -> str:
        name = node.macroname
        arguments = [argument for argument in (node.nodeargd.argnlist if node.nodeargd else []) or [] if argument]
        if name in _SPACES:
            return _SPACES[name]
        if name in _SILENT or name in _BIG:
            return ""
        if name in _FRACTIONS:
            if len(arguments) != 2:
                raise ValueError("a fraction needs two parts")
            return f"{self._grouped(arguments[0])}/{self._grouped(arguments[1])}"
        if name in ("binom", "dbinom") and len(arguments) == 2:
            return f"C({self._argument(arguments[0])}, {self._argument(arguments[1])})"
        if name == "sqrt" and arguments:
            degree = f"<sup>{self._argument(arguments[0])}</sup>" if len(arguments) == 2 else ""
            return f'{degree}√<span style="text-decoration:overline">{self._argument(arguments[-1])}</span>'
        if name in _UPRIGHT and arguments:
            return escape(_plain(arguments[-1]))
        if name in _BOLD and arguments:
            return f"<b>{self._argument(arguments[-1])}</b>"
        if name in _ACCENTS and arguments:
            text = _plain(arguments[-1])
            return (
                f"<i>{escape(text)}{_ACCENTS[name]}</i>" if len(text) == 1 else f"<i>{escape(text)}</i>{_ACCENTS[name]}"
            )
        text = _unicode(node)
        if not text.strip():
            return "".join(self._argument(argument) for argument in arguments) or escape(f"\\{name} ")
        if len(text.strip()) == 1 and text.strip() in _RELATIONS:
            return f" {text.strip()} "
        return escape(text.strip()) + (" " if len(text.strip()) > 1 and text.strip().isalpha() else "")

    def _environment(self, node: Any) -> str:
        opening, closing = _FENCES.get(node.environmentname, ("", ""))
        rows: list[list[Any]] = [[]]
        for child in node.nodelist:
            if type(child).__name__ == "LatexMacroNode" and child.macroname == "\\":
                rows.append([])
            else:
                rows[-1].append(child)
        lines = [self.nodes(row).strip() for row in rows]
        if node.environmentname == "cases" or not opening:
            return opening + "<br/>".join(line for line in lines if line)
        return opening + "; ".join(line for line in lines if line) + closing

    def _argument(self, node: Any) -> str:
        return self.nodes(node.nodelist) if type(node).__name__ == "LatexGroupNode" else self.nodes([node])

    def _grouped(self, node: Any) -> str:
        """Return an argument in parentheses, unless it is one thing."""
        inner = self._argument(node).strip()
        plain = _plain(node).strip()
        return inner if len(plain) <= 1 or plain.isdigit() else f"({inner})"


def _character(character: str) -> str:
    character = _TIGHT.get(character, character)
    if character in _RELATIONS:
        return f" {escape(character)} "
    if character == ",":
        return ", "
    return f"<i>{character}</i>" if character.isalpha() else escape(character)


def _depth(latex: str) -> int:
    """Return how deeply groups and environments may be nested, from above."""
    depth = deepest = 0
    for number, character in enumerate(latex):
        if character == "{":
            depth += 1
            deepest = max(deepest, depth)
        elif character == "}":
            depth = max(0, depth - 1)
        elif character == "\\" and latex.startswith(("\\left", "\\begin", "\\sqrt", "\\("), number):
            deepest += 1
    return deepest


def _converter(*, strict: bool) -> Any:
    """Return what turns LaTeX into plain text. Making one costs more than a formula; each thread has its own."""
    from pylatexenc.latex2text import LatexNodes2Text

    name = f"strict_{strict}"
    if not hasattr(_of_thread, name):
        setattr(_of_thread, name, LatexNodes2Text(strict_latex_spaces=strict))
    return getattr(_of_thread, name)


def _unicode(node: Any) -> str:
    return str(_converter(strict=False).nodelist_to_text([node]))


def _plain(node: Any) -> str:
    inner = node.nodelist if type(node).__name__ == "LatexGroupNode" else [node]
    return str(_converter(strict=True).nodelist_to_text(inner))
