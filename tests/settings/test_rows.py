"""Merging and the form on disk: pure."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.settings.rows import (
    GONE_KEPT_S,
    Gone,
    Row,
    Rows,
    RowsCorrupt,
    Value,
    decode,
    encode,
    merge,
    without_old_gone,
)

values: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
rows = st.builds(
    Row,
    value=values | st.builds(Gone, st.integers(0, 2**40)),
    clock=st.integers(0, 3),
    node_id=st.sampled_from(["aa", "bb"]),
)
tables: st.SearchStrategy[Rows] = st.dictionaries(
    st.tuples(st.sampled_from(["buckets", "keys"]), st.sampled_from(["x", "y", "z"])), rows, max_size=5
)


@given(tables, tables)
def test_it_does_not_matter_who_merges_whom(one: Rows, other: Rows) -> None:
    assert merge(one, other) == merge(other, one)


@given(tables, tables, tables)
def test_it_does_not_matter_in_what_order_three_meet(one: Rows, two: Rows, three: Rows) -> None:
    assert merge(merge(one, two), three) == merge(one, merge(two, three))


@given(tables, tables)
def test_hearing_it_again_changes_nothing(one: Rows, other: Rows) -> None:
    merged = merge(one, other)
    assert merge(merged, other) == merge(merged, one) == merge(merged, merged) == merged


@given(tables, tables)
def test_of_every_row_the_newest_stays(one: Rows, other: Rows) -> None:
    merged = merge(one, other)
    assert set(merged) == set(one) | set(other)
    for row_id, row in merged.items():
        known = [table[row_id] for table in (one, other) if row_id in table]
        assert row in known
        assert (row.clock, row.node_id) == max((each.clock, each.node_id) for each in known)


def test_a_removal_is_a_row_like_any_other() -> None:
    there, gone = Row("v", 1, "aa"), Row(Gone(0), 2, "aa")
    assert merge({("t", "n"): there}, {("t", "n"): gone}) == {("t", "n"): gone}


@given(tables)
def test_what_is_written_reads_back_equal(table: Rows) -> None:
    assert decode(encode(table)) == table


@given(tables, st.data())
def test_a_damaged_file_is_never_taken_for_a_table(table: Rows, data: st.DataObject) -> None:
    content = bytearray(encode(table))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(RowsCorrupt):
        decode(bytes(content))


@given(tables, st.data())
def test_a_torn_file_is_never_taken_for_a_table(table: Rows, data: st.DataObject) -> None:
    content = encode(table)
    with pytest.raises(RowsCorrupt):
        decode(content[: data.draw(st.integers(0, len(content) - 1))])


def test_removals_are_remembered_for_thirty_days() -> None:
    table = {("t", "n"): Row(Gone(1000), 1, "aa"), ("t", "m"): Row(None, 1, "aa")}
    assert without_old_gone(table, 1000 + GONE_KEPT_S - 1) == table
    assert set(without_old_gone(table, 1000 + GONE_KEPT_S)) == {("t", "m")}
