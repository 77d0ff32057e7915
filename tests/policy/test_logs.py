"""Victims, rotation, and what an eviction keeps."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.store import logs
from gateway.store.entries import SegmentEntry, State
from gateway.store.gate import Mode
from gateway.store.logs import KEPT_SHARE, ROTATIONS_MAX, Fate, Live
from gateway.store.segments import Kind, Sums
from gateway.store.table import HITS, Segment

Z = 64 * 1024
NOW_S = 1_000

records = st.builds(
    Live,
    ordinal=st.integers(0, 1000),
    size=st.integers(1, Z // 8),
    hits=st.integers(0, 3),
    expires_s=st.sampled_from((0, NOW_S - 1, NOW_S, NOW_S + 1)),
    is_pinned=st.booleans(),
)
modes = st.sampled_from(Mode)


def fit(live: list[Live]) -> list[Live]:
    """As many of them as a segment has room for."""
    taken: list[Live] = []
    for record in live:
        if sum(one.size for one in taken) + record.size <= Z:
            taken.append(record)
    return taken


contents = st.lists(records, max_size=60).map(fit)


def total(live: list[Live]) -> int:
    return sum(record.size for record in live)


@given(contents, modes, st.integers(0, ROTATIONS_MAX))
def test_every_eviction_frees_a_quarter_and_drops_nothing_pinned(live: list[Live], mode: Mode, rotations: int) -> None:
    if logs.fate(live, mode, rotations, Z, NOW_S) is not Fate.EVICT:
        return
    kept = logs.kept(live, Z, NOW_S)
    assert total(kept) <= KEPT_SHARE * Z
    assert all(any(record is one for one in kept) for record in live if record.is_pinned)


@given(contents)
def test_what_is_kept_was_hit_and_has_not_expired_and_nothing_hotter_of_its_size_is_dropped(live: list[Live]) -> None:
    kept = logs.kept(live, Z, NOW_S)
    ids = {id(record) for record in kept}
    assert len(ids) == len(kept)
    for record in kept:
        assert record.is_pinned or (record.hits and record.expires_s not in (NOW_S - 1, NOW_S))
    coldest = min((record.hits for record in kept if not record.is_pinned), default=3)
    left = KEPT_SHARE * Z - total([record for record in kept if record.is_pinned or record.hits > coldest])
    for record in live:
        if id(record) not in ids and record.hits > coldest and not 0 < record.expires_s <= NOW_S:
            assert record.size > left


@given(contents, modes)
def test_a_segment_is_spared_only_so_often_in_a_row(live: list[Live], mode: Mode) -> None:
    assert logs.fate(live, mode, ROTATIONS_MAX, Z, NOW_S) is not Fate.ROTATE


def test_a_hot_segment_is_spared_whole_earlier_while_the_shard_holds() -> None:
    for percent, churn, hold in (
        (49, Fate.EVICT, Fate.EVICT),
        (50, Fate.EVICT, Fate.ROTATE),
        (80, Fate.ROTATE, Fate.ROTATE),
    ):
        live = [Live(ordinal, 100, 1 if ordinal < percent else 0) for ordinal in range(100)]
        assert logs.fate(live, Mode.CHURN, 0, 10_000, NOW_S) is churn
        assert logs.fate(live, Mode.HOLD, 0, 10_000, NOW_S) is hold


def test_a_segment_of_pinned_records_becomes_a_pinned_one_as_it_is() -> None:
    live = [Live(ordinal, 100, 0, is_pinned=ordinal < 75) for ordinal in range(100)]
    assert logs.fate(live, Mode.CHURN, 0, 10_000, NOW_S) is Fate.PIN
    assert logs.fate(live[1:], Mode.CHURN, 0, 10_000, NOW_S) is Fate.EVICT


kinds = st.sampled_from(Kind)
states = st.sampled_from(State)


@st.composite
def tables(draw: st.DrawFn) -> list[Segment]:
    """The segments of a shard, in any order."""
    table = []
    for position in draw(st.permutations(range(draw(st.integers(0, 30))))):
        live = draw(st.integers(0, Z))
        table.append(segment(position, draw(kinds), draw(states), live, draw(st.integers(0, live))))
    return table


def segment(position: int, kind: Kind, state: State = State.SYNCED, live: int = Z, pinned: int = 0) -> Segment:
    entry = SegmentEntry(state, Sums(1, live, 1), 1, 1, log_position=position, kind=kind)
    made = Segment(position, Path(), entry)
    made.pinned_bytes = pinned
    return made


@given(tables())
def test_a_victim_is_written_completely_and_not_pinned(table: list[Segment]) -> None:
    victim = logs.choose(table, Z)
    settled = [one for one in table if one.entry.state in (State.SEALED, State.SYNCED)]
    if victim is None:
        assert all(one.entry.kind is Kind.PINNED and one.pinned_bytes >= 0.6 * Z for one in settled)
        return
    assert victim in settled
    if victim.entry.kind is Kind.PINNED:
        assert victim.pinned_bytes < 0.6 * Z
    elif victim.live_bytes >= 0.1 * Z:
        older = [one for one in settled if one.entry.kind is victim.entry.kind]
        assert victim.entry.log_position == min(one.entry.log_position for one in older)
        assert all(one.live_bytes >= 0.1 * Z for one in settled if one.entry.kind is not Kind.PINNED)


def test_small_gives_way_while_it_has_a_tenth_of_the_segments() -> None:
    main = [segment(position, Kind.MAIN) for position in range(90)]
    small = [segment(100 + position, Kind.SMALL) for position in range(10)]
    assert logs.choose(main + small, Z) is small[0]
    assert logs.choose(main + small[1:], Z) is main[0]
    assert logs.choose(main[:1] + small[:0], Z) is main[0]


def test_an_almost_empty_segment_goes_first() -> None:
    table = [segment(position, Kind.SMALL) for position in range(9)]
    table.append(segment(10, Kind.MAIN, live=Z // 10 - 1))
    assert logs.choose(table, Z) is table[-1]


def test_only_blocks_that_came_back_are_written_to_main() -> None:
    for mode, known, transient, kind in (
        (Mode.CHURN, True, False, Kind.MAIN),
        (Mode.CHURN, True, True, Kind.SMALL),
        (Mode.CHURN, False, False, Kind.SMALL),
        (Mode.HOLD, True, False, Kind.SMALL),
    ):
        assert logs.log_of(mode, is_pinned=False, is_transient=transient, is_known=known) is kind
        assert logs.log_of(mode, is_pinned=True, is_transient=transient, is_known=known) is Kind.PINNED


@given(st.binary(max_size=300))
def test_cooling_takes_a_hit_from_each_record_and_nothing_else(marks: bytes) -> None:
    cooled = bytearray(marks)
    logs.cool(cooled)
    for before, after in zip(marks, cooled, strict=True):
        assert after & HITS == max(0, (before & HITS) - 1)
        assert after & ~HITS == before & ~HITS
        assert after & HITS == logs.hits_after(Kind.MAIN, before & HITS)
        assert logs.hits_after(Kind.SMALL, before & HITS) == 0
