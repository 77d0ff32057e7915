"""What the cache remembers of objects for a while: absences, misses, and the limits of both."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.absences import ABSENCES_MAX, NEGATIVE_MAX_S, Absences
from gateway.cache.misses import OBJECTS_MAX, Misses, MissReason
from gateway.cache.recent import Recent
from gateway.model import Bucket, Key

BUCKET = Bucket("data")
KEY = Key(b"key")


def numbered(number: int) -> Key:
    return Key(b"%d" % number)


@given(
    puts=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers())),
    dropped=st.sampled_from("abcdefgh"),
    count_max=st.integers(1, 6),
)
def test_what_was_put_last_is_kept(puts: list[tuple[str, int]], dropped: str, count_max: int) -> None:
    recent: Recent[str, int] = Recent(count_max)
    for name, value in puts:
        recent.put(name, value)
    latest_first = list(dict.fromkeys(name for name, _ in reversed(puts)))
    kept = {name: dict(puts)[name] for name in latest_first[:count_max]}
    assert {name: recent.get(name) for name in "abcdefgh"} == {name: kept.get(name) for name in "abcdefgh"}
    recent.drop(dropped)
    kept.pop(dropped, None)
    assert recent.get(dropped) is None
    assert len(recent) == len(kept)


@given(asked_s=st.floats(0, 1e6), later_s=st.floats(0, 3))
def test_an_absence_holds_for_a_second_from_the_question_and_no_longer(asked_s: float, later_s: float) -> None:
    absences = Absences()
    absences.note(BUCKET, KEY, asked_s)
    now_s = asked_s + later_s
    assert absences.holds(BUCKET, KEY, now_s) == (now_s - asked_s < NEGATIVE_MAX_S)


def test_an_object_that_was_written_is_absent_no_more() -> None:
    absences = Absences()
    absences.note(BUCKET, KEY, 0.0)
    absences.note(BUCKET, numbered(1), 0.0)
    absences.drop(BUCKET, KEY)
    assert not absences.holds(BUCKET, KEY, 0.0)
    assert absences.holds(BUCKET, numbered(1), 0.0)
    assert not absences.holds(Bucket("other"), numbered(1), 0.0)


def test_a_newer_answer_prolongs_an_absence() -> None:
    absences = Absences()
    absences.note(BUCKET, KEY, 0.0)
    absences.note(BUCKET, KEY, 0.9)
    assert absences.holds(BUCKET, KEY, 1.5)


def test_absences_beyond_the_limit_put_out_the_oldest() -> None:
    absences = Absences()
    for number in range(ABSENCES_MAX + 1):
        absences.note(BUCKET, numbered(number), 0.0)
    assert not absences.holds(BUCKET, numbered(0), 0.0)
    assert absences.holds(BUCKET, numbered(1), 0.0)
    assert absences.holds(BUCKET, numbered(ABSENCES_MAX), 0.0)


def test_the_last_miss_of_an_object_is_remembered_with_its_reason_and_time() -> None:
    misses = Misses()
    misses.note(BUCKET, KEY, MissReason.NEVER_SEEN, 1.0)
    misses.note(BUCKET, KEY, MissReason.CHANGED, 2.0)
    assert misses.last(BUCKET, KEY) == (MissReason.CHANGED, 2.0)
    assert misses.last(Bucket("other"), KEY) is None


def test_misses_beyond_the_limit_put_out_the_oldest() -> None:
    misses = Misses()
    for number in range(OBJECTS_MAX + 1):
        misses.note(BUCKET, numbered(number), MissReason.EXPIRED, float(number))
    assert misses.last(BUCKET, numbered(0)) is None
    assert misses.last(BUCKET, numbered(1)) == (MissReason.EXPIRED, 1.0)
