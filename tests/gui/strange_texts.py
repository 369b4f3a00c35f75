"""Texts that nobody would write and every window gets: very long, very deep, never closed."""

from __future__ import annotations

from hypothesis import strategies as st

FRAGMENTS = (
    *("\n", "\n\n", "\r\n", "    ", "\t", "```", "```py\n", "\n```\n", "~~~", "- ", "\n- ", "1. ", "> ", "\n> ", "# "),
    *("---\n", "===\n", "|", "|a|b|\n|-|-|\n", "|1|2|\n", "*", "**", "_", "~~", "`", "<b>", "<!--", "-->", "<script>"),
    *("<details>", "</details>", "<br>", "![", "[", "](", ")", "]", "\\", "&amp;", "&#0;", "\x00", "\ud800", "\u2028"),
    *(
        "$",
        "$$",
        "\n$$\n",
        "\\(",
        "\\)",
        "\\[",
        "\\]",
        "\n\\[\n",
        "\n\\]\n",
        "\\begin{cases}",
        "\\frac{",
        "x^",
        "{",
        "}",
    ),
    *(
        "https://example.org/a_b",
        "http://a@b.c",
        "www.example.org",
        "a@b.example",
        "javascript:alert(1)",
        "data:text/html,x",
    ),
    *(
        "字",
        "（",
        "）",
        "。",
        "é",
        "e\u0301\u0301",
        "\u200d",
        "\u202e",
        "مرحبا",
        "👩‍👩‍👧",
        "## You\n",
        "\n## You\n",
        "[^1]: ",
        "[a]: b",
    ),
    *("word ", "1", "x\n", "  ", "  - a\n", "<", ">", '"', "'", "onload=", "*Stopped.*"),
)

markdownish = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(FRAGMENTS)), max_size=60).map("".join)
repeated = st.builds(
    lambda unit, count, end: "".join(unit) * count + end,
    st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=3),
    st.integers(1, 400),
    st.sampled_from(FRAGMENTS),
)
strange = st.one_of(markdownish, repeated, st.builds("".join, st.lists(st.one_of(markdownish, repeated), max_size=3)))


def kinds(size: int) -> dict[str, str]:
    """Return texts of about ``size`` characters, one of each kind that was slow somewhere."""
    root = int(size**0.5)
    units = {
        "digits": "1",
        "zalgo": "e\u0301\u0316\u0301",
        "family": "👩‍👩‍👧",
        "cjk": "字漢文",
        "arabic": "مرحبا",
        "bidi": "\u202e\u202d",
        "brackets": "[",
        "pairs": "[]",
        "pictures": "![",
        "open links": "[a](",
        "links": "[a](b)",
        "refs": "[a][b] ",
        "stars": "*",
        "star words": "*a ",
        "in words": "a*",
        "mixed": "*a_ ",
        "tildes": "~~a ",
        "backticks": "`a",
        "pipes": "|",
        "quotes": ">",
        "spaced quotes": "> ",
        "quoted lines": "> a\n",
        "markers": "- ",
        "items": "- a\n",
        "loose items": "- a\n\n",
        "headings": "# a\n",
        "hashes": "#",
        "less": "<a",
        "comments": "<!--",
        "entities": "&a",
        "fences": "```\n",
        "slashes": "\\",
        "open brackets": "\\[",
        "bracket lines": "\\[ a\n",
        "blocks": "\n\\[\nx",
        "parens": "\\(",
        "dollars": "$",
        "dollar words": "$a ",
        "double": "$$ a\n",
        "double alone": "$$\n\n",
        "money": "$5 ",
        "words": "word ",
        "lines": "word\n",
        "paragraphs": "word\n\n",
        "hard": "a\\\n",
        "empty": "\n",
        "spaces": " ",
        "notes": "[^1]: x\n",
        "addresses": "http://a.b/c ",
        "schemes": "http://",
        "www": "www.",
        "mail": "a@",
        "html": "<b>x</b>",
    }
    made = {name: unit * (size // len(unit)) for name, unit in units.items()}
    made["table"] = "|a|b|\n|-|-|\n" + "|1|2|\n" * (size // 6)
    made["wide table"] = f"|{'a|' * 1000}\n|{'-|' * 1000}\n" + f"|{'1|' * 1000}\n" * max(1, size // 2000)
    made["deep list"] = "".join(f"{'  ' * level}- a\n" for level in range(root))
    made["deep quote"] = "".join(f"{'>' * level}a\n" for level in range(1, root))
    made["deep emphasis"] = "*" * (size // 2) + "a" + "*" * (size // 2)
    made["runs of backticks"] = " ".join("`" * count for count in range(1, root))
    made["code in a line"] = "```\n" + "x" * size
    made["code"] = "```\n" + "x = 1\n" * (size // 6)
    made["nested code"] = "1. a\n   ```py\n" + "   x = 1\n" * (size // 9) + "   ```\n2. b\n"
    made["groups"] = f"${'{' * 900}$ " * (size // 903)
    made["formula"] = "$$\n" + "\\frac{" * (size // 6) + "\n$$"
    return made
