"""A template that runs away is stopped and said to; one of good will does not notice the limits."""

from __future__ import annotations

import tracemalloc

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference import template_sandbox
from inference.chat_template import ChatTemplate
from inference.errors import ModelFolderError
from inference.messages import Turn
from inference.template_sandbox import BoundedEnvironment

HI = Turn.of("user", "Hi")


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, reached sooner."""
    monkeypatch.setattr(template_sandbox, "MAX_STEPS", 12_000)
    monkeypatch.setattr(template_sandbox, "MAX_CHARACTERS", 1_000_000)
    monkeypatch.setattr(template_sandbox, "MAX_ITEMS", 20_000)


NINES = "{% set ns = namespace(x='ab', l=['ab']) %}{% for n in range(60) %}"

HOSTILE = {
    "a long range": "{% for n in range(10**9) %}{% endfor %}",
    "loops in loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "loops in macros": "{% macro m() %}{% for a in range(9999) %}{% endfor %}{% endmacro %}"
    "{% for n in range(9999) %}{{ m() }}{% endfor %}",
    "a macro that calls itself": "{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "a recursive loop": "{% for a in [1] recursive %}{{ loop([a]) }}{% endfor %}",
    "two macros for each": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a product": "{{ 'a' * 10**10 }}",
    "a product of products": NINES + "{% set ns.x = ns.x * 99 %}{% endfor %}",
    "a list of products": "{{ [0] * 10**9 }}",
    "a power": "{{ 10 ** (10 ** 9) }}",
    "powers of powers": NINES.replace("'ab'", "9", 1) + "{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "a sum": NINES + "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "a sum of lists": NINES + "{% set ns.l = ns.l + ns.l %}{% endfor %}",
    "texts put together": NINES + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "lists in lists": NINES + "{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
    "pairs in pairs": NINES + "{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ ns.l == ns.l }}",
    "mappings in mappings": NINES + "{% set ns.l = {'a': ns.l, 'b': ns.l} %}{% endfor %}{{ ns.l | tojson }}",
    "dicts in dicts": NINES + "{% set ns.l = dict(a=ns.l, b=ns.l) %}{% endfor %}{{ ns.l }}",
    "blocks in blocks": NINES + "{% set x %}{{ ns.x }}{{ ns.x }}{% endset %}{% set ns.x = x %}{% endfor %}",
    "a wide text": "{{ 'a' | center(10**9) }}",
    "a wide word": "{{ 'a'.ljust(10**9) }}",
    "a wide number": "{{ '%1000000000d' % 1 }}",
    "a wide number by a filter": "{{ '%1000000000d' | format(1) }}",
    "a width as a value": "{{ '%*d' % (10**9, 1) }}",
    "a wide format": "{{ '{:>1000000000}'.format(1) }}",
    "a width in a format": "{{ '{:>{}}'.format(1, 10**9) }}",
    "a wide indentation": "{{ 'a\\nb' | indent(10**9) }}",
    "wide JSON": "{{ {'a': 1} | tojson(indent=10**9) }}",
    "many bytes": "{{ (1).to_bytes(10**9, 'big') }}",
    "many blanks": "{{ '\\t'.expandtabs(10**9) }}",
    "replacements": NINES + "{% set ns.x = ns.x | replace('a', 'aaaaaaaaab') %}{% endfor %}",
    "replacements by the method": NINES + "{% set ns.x = ns.x.replace('a', 'aaaaaaaaab') %}{% endfor %}",
    "a long joint": NINES + "{% set ns.x = ns.x.join(['a'] * 99) %}{% endfor %}",
    "a long joint by the filter": NINES + "{% set ns.x = (['a'] * 99) | join(ns.x) %}{% endfor %}",
    "lorem ipsum": "{{ lipsum(n=10**6) }}",
    "output": "{% for n in range(9999) %}" + "a" * 1000 + "{% endfor %}",
    "output thrown away": "{% set x %}{% for n in range(9999) %}" + "a" * 1000 + "{% endfor %}{% endset %}",
    "brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
    "ifs": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    "the inside of Python": "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ raise_exception('refused') }}",
    "changing what is given": "{{ messages.append(1) }}",
    "files": "{% include '/etc/passwd' %}",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_ends_in_a_sentence(source: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(ModelFolderError, match="The model's chat template") as caught:
            ChatTemplate(source).render([HI])
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)


def test_time_is_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_sandbox, "MAX_SECONDS", 0.0)
    with pytest.raises(ModelFolderError, match="does not come to an end"):
        ChatTemplate("{% for n in range(9999) %}{% endfor %}").render([HI])


def test_limits_begin_anew_with_each_rendering() -> None:
    template = ChatTemplate("{% for n in range(9999) %}{{ n }}{% endfor %}")
    for _ in range(5):
        assert template.render([HI]).text.endswith("99979998")


GOOD = """\
{%- macro shown(value, depth=0) -%}
    {%- if value is mapping -%}{{ '{' }}{% for key, item in value | dictsort %}{{ key ~ ':' ~ shown(item, depth + 1) }}
    {%- if not loop.last %},{% endif %}{% endfor %}{{ '}' }}
    {%- elif value is string -%}{{ "'" + value | replace("'", "’") + "'" }}
    {%- elif value is sequence -%}[{% for item in value %}{{ shown(item) }};{% endfor %}]
    {%- else -%}{{ '%s %05.1f' % (value, depth) }}{% endif -%}
{%- endmacro -%}
{%- set ns = namespace(last='', all=[]) -%}
{%- for name, item in items -%}
    {%- set ns.last = name -%}{%- set ns.all = ns.all + [name] -%}
    {{- loop.index ~ ' ' ~ shown(item) ~ '\n' -}}
{%- endfor -%}
{{- (ns.all, ns.last) -}} {{ ns.all | join('-') | upper }} {{ 2 ** 10 * 3 + 1 }} {{ '{:>5}'.format(ns.last) }}
{{ items | map(attribute=0) | list | tojson }} {{ 'x'.center(9) }} {{ 'ab'.split('b')[0] * 3 }} {{ dict(a=1) }}
"""

BOUNDED = BoundedEnvironment(trim_blocks=True, lstrip_blocks=True)
BOUNDED_TEMPLATE = BOUNDED.compiled(GOOD)
PLAIN_TEMPLATE = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(GOOD)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(items=st.lists(st.tuples(st.text("abc", min_size=1, max_size=3), VALUES), max_size=4))
@settings(deadline=None, max_examples=60)
def test_a_template_of_good_will_writes_what_it_does_in_jinja(items: list[tuple[str, object]]) -> None:
    assert BOUNDED.rendered(BOUNDED_TEMPLATE, {"items": items}) == PLAIN_TEMPLATE.render(items=items)


def test_what_is_not_defined_is_written_as_in_jinja() -> None:
    environment = BoundedEnvironment()
    source = "{{ missing }}{{ missing ~ 'a' }}{{ none }}{{ missing is defined }}{{ [missing | default('b')] }}"
    assert environment.rendered(environment.compiled(source), {}) == jinja2.Environment().from_string(source).render()
