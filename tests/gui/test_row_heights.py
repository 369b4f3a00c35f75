"""Where rows are, against the plain way of adding heights up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.chat.row_heights import RowHeights

operations = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 300), st.just(0)),
        st.tuples(st.just("set"), st.integers(0, 60), st.integers(0, 300)),
        st.tuples(st.just("total"), st.just(0), st.just(0)),
        st.tuples(st.just("forget"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(operations, st.integers(-50, 4000))
def test_tops_are_sums_of_heights(steps: list[tuple[str, int, int]], y: int) -> None:
    rows, plain = RowHeights(), list[int]()
    for what, first, second in steps:
        if what == "append":
            rows.append(first)
            plain.append(first)
        elif what == "set" and plain:
            rows.set(first % len(plain), second)
            plain[first % len(plain)] = second
        elif what == "forget":
            rows.forget()
        assert rows.total == sum(plain)
    assert [rows.top(row) for row in range(len(plain) + 1)] == [sum(plain[:row]) for row in range(len(plain) + 1)]
    row = rows.row_at(y)
    if not plain:
        assert row == -1
    elif 0 <= y < sum(plain):
        assert rows.top(row) <= y < rows.top(row) + rows.height(row)
    else:
        assert row in (0, len(plain) - 1) or rows.top(row) == 0


def test_measured_heights_are_remembered() -> None:
    rows = RowHeights()
    rows.append(10)
    assert not rows.measured(0)
    rows.set(0, 12)
    assert rows.measured(0)
    rows.unmeasure(0)
    assert not rows.measured(0)
    assert rows.height(0) == 12
    rows.clear()
    assert len(rows) == 0
    assert rows.total == 0
