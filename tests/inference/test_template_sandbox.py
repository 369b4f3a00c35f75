"""A template that runs away is stopped and said to; one of good will does not notice the limits."""

from __future__ import annotations

import contextlib
import time
import tracemalloc

import jinja2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from inference import template_budget
from inference.chat_template import ChatTemplate
from inference.errors import ModelFolderError
from inference.messages import Turn
from inference.template_operations import FILTERS, METHODS
from inference.template_sandbox import BoundedEnvironment
from tests.fuzzing import examples

HI = Turn.of("user", "Hi")


@pytest.fixture(autouse=True)
def low_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same limits, reached sooner."""
    monkeypatch.setattr(template_budget, "MAX_STEPS", 12_000)
    monkeypatch.setattr(template_budget, "MAX_CHARACTERS", 1_000_000)
    monkeypatch.setattr(template_budget, "MAX_ITEMS", 20_000)


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

LONG = "{% set ns = namespace(x='ab') %}{% for n in range(16) %}{% set ns.x = ns.x + ns.x %}{% endfor %}"
"""``ns.x`` is 131,072 characters: allowed, but not to be multiplied with."""

AT_ONCE = {
    "a translation": "{{ ('a' * 9000).translate({97: 'b' * 9000}) | length }}",
    "a wrapped text": "{{ ('a' * 9000) | wordwrap(1) | length }}",
    "letters joined by a text": LONG + "{{ ns.x.join(ns.x) }}",
    "an iterator joined": LONG + "{{ ns.x.join(range(9999) | map('string')) }}",
    "a range joined": LONG + "{{ range(9999) | join(ns.x) }}",
    "a selection joined": LONG + "{{ range(9999) | select | join(ns.x) }}",
    "a large set of characters": LONG + "{{ ns.x.strip(ns.x) }}",
    "a large set by the filter": LONG + "{{ ns.x | trim(ns.x) }}",
    "a search from the end": LONG + "{{ ns.x.rfind('b' ~ ns.x[:65536]) }}",
    "a replacement by keyword": LONG + "{{ ns.x | replace(new=ns.x, old='a') }}",
    "a replacement of nothing": LONG + "{{ ns.x | replace('', ns.x) }}",
    "many pieces": LONG + "{{ ns.x.split('a') | length }}",
    "many letters": LONG + "{{ ns.x | list | length }}",
    "many words": LONG + "{{ ns.x | title | length }}",
    "many wide numbers": "{{ ('%9999d' * 2000) % ((1,) * 2000) }}",
    "many wide places": "{{ ('{0:9999}' * 2000).format(1) }}",
    "many places of a text": LONG + "{{ ('{0}' * 2000).format(ns.x) }}",
    "many names of a text": LONG + "{{ ('%(a)s' * 2000) % {'a': ns.x} }}",
    "many names by the filter": LONG + "{{ ('%(a)s' * 2000) | format(a=ns.x) }}",
    "many indented lines": "{{ ('a\n' * 9000) | indent(9999) }}",
    "lines indented by a text": LONG + "{{ ('a\n' * 9000) | indent(ns.x) }}",
    "indented JSON": "{{ ([1] * 19000) | tojson(indent=20) }}",
    "a number of many digits": LONG.replace("b", "7") + "{{ (ns.x | int(base=16)) // 3 }}",
    "a sum of many lists": "{{ ([[1]] * 9000) | sum(start=[]) | length }}",
    "a deep tuple": "{% set ns = namespace(t=1) %}{% for n in range(999) %}{% set ns.t = (ns.t,) %}{% endfor %}"
    "{{ {ns.t: 1} }}",
    "a deep look": "{{ ('a' * 9000) | list | map(attribute='" + "0." * 9000 + "0') | list | length }}",
    "one list for each": "{% set b = [1] * 9000 %}{{ range(9999) | map(attribute='x', default=b) | sort | length }}",
    "a namespace in itself": "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
    "a block in itself": "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    "calls in calls": "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
    + "{% call m() %}" * 60
    + "x"
    + "{% endcall %}" * 60,
    "a constant in a loop": "{% set x %}{% for n in range(9999) %}{{ 'a' | center(9999) }}{% endfor %}{% endset %}",
    "lists of ranges": "{{ ([range(9999)] * 9000) | map('list') | map('length') | list | length }}",
    "what is safe": "{% set s = ('<' * 19000) | safe %}{{ s.join(['<' * 100] * 9000) }}",
    "quotes of quotes": NINES + "{% set ns.x = [ns.x ~ '\"'] | string %}{% endfor %}",
    "long comparisons": LONG
    + "{% set y = ns.x[:-1] ~ 'c' %}"
    + "{{ ns.x == y }}" * 50
    + "{% for n in range(9999) %}{% endfor %}" * 9,
    "long searches": "{% for n in range(9999) if -1 in range(9999) | list %}{% endfor %}",
    "a long pattern for the time": "{{ strftime_now('%Y' * 999) }}",
    "a method of a number": "{{ (1).to_bytes(9, 'big') }}",
    "a class": "{{ ''.__class__('x') }}{{ messages.__class__(messages) }}",
    "a function of the program": "{{ reveal('x') }}",
    "a long source": "{{ 1 }}" * 100_000,
    "a source of many parts": "{{a}}" * 12_000,
    "a long chain": "{{ 1" + " + 1" * 9_000 + " }}",
    "many alternatives": "{% if a %}" + "{% elif a %}" * 2_000 + "{% endif %}",
    "many signs": "{{ " + "-" * 90_000 + "1 }}",
    "a long number": "{{ " + "9" * 90_000 + " }}",
}
"""Work without bounds within one call: nobody looks at the clock meanwhile."""

HOSTILE |= AT_ONCE


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
    monkeypatch.setattr(template_budget, "MAX_SECONDS", 0.0)
    with pytest.raises(ModelFolderError, match="takes too long"):
        ChatTemplate("{% for n in range(9999) %}{% endfor %}").render([HI])


def test_limits_begin_anew_with_each_rendering() -> None:
    template = ChatTemplate("{% for n in range(9999) %}{{ n }}{% endfor %}")
    for _ in range(5):
        assert template.render([HI]).text.endswith("99979998")


def test_the_limits_themselves_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    for source in (
        "{{ ('a' * 30000).translate({97: 'b' * 50000}) | length }}",
        "{{ ('a' * 200000) | wordwrap(1) | length }}",
        "{{ 1 }}" * 100_000,
    ):
        test_a_hostile_template_ends_in_a_sentence(source)


def test_what_a_template_says_cannot_steer_a_terminal() -> None:
    with pytest.raises(ModelFolderError) as caught:
        ChatTemplate("{{ raise_exception('\x1b[2J\u202eno' ~ '\n' * 9000) }}").render([HI])
    assert "(no);" in str(caught.value)


TEXTS = st.sampled_from(
    ["ns.x", "'ab'", "'<' | safe", "'%5d'", "'{0:9}'", "''", "'a b\n' * 99", "'é' * 999", "messages"]
)
NUMBERS = st.sampled_from(["0", "1", "-1", "99", "9999", "10 ** 9", "2.5", "true", "none", "missing"])
LISTS = st.sampled_from(["[1, 'a']", "range(99)", "ns.l", "(1, 2)", "{'a': 1}", "['ab'] * 99", "ns.l | map('string')"])


def _applied(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    filters = st.sampled_from(sorted(FILTERS))
    methods = st.sampled_from(sorted({name for kind in METHODS.values() for name in kind}))
    arguments = st.lists(inner, max_size=2).map(", ".join)
    return st.one_of(
        st.builds("({}) | {}({})".format, inner, filters, arguments),
        st.builds("({}).{}({})".format, inner, methods, arguments),
        st.builds(
            "({}) {} ({})".format,
            inner,
            st.sampled_from(["+", "*", "~", "%", "-", "/", "//", "==", "<", "in", "and", "or"]),
            inner,
        ),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({})[{}:{}]".format, inner, NUMBERS, NUMBERS),
        st.builds("({}) is {}".format, inner, st.sampled_from(["string", "mapping", "lower", "iterable", "odd"])),
    )


EXPRESSIONS = st.recursive(TEXTS | NUMBERS | LISTS, _applied, max_leaves=6)
STATEMENTS = st.one_of(
    st.builds("{{% set ns.x = {} %}}".format, EXPRESSIONS),
    st.builds("{{% set ns.l = {} %}}".format, EXPRESSIONS),
    st.builds("{{{{ {} }}}}".format, EXPRESSIONS),
)


@given(st.lists(STATEMENTS, min_size=1, max_size=6), st.integers(1, 40))
@settings(deadline=None, max_examples=examples(60), suppress_health_check=list(HealthCheck))
def test_no_template_takes_more_than_it_may(statements: list[str], rounds: int) -> None:
    loop = "{% for n in range(" + str(rounds) + ") %}" + "".join(statements) + "{% endfor %}"
    source = "{% set ns = namespace(x='ab', l=[1]) %}" + loop
    tracemalloc.start()
    began = time.process_time()
    try:
        with contextlib.suppress(ModelFolderError):
            ChatTemplate(source).render([HI])
        assert tracemalloc.get_traced_memory()[1] < 100e6, source
        assert time.process_time() - began < 20, source
    finally:
        tracemalloc.stop()


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
