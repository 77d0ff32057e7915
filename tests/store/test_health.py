"""What is concluded from the failures of a disk."""

import errno
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gateway.kv import KvCorrupt, KvFailed, KvFull, KvStalled
from gateway.store.health import DEGRADED_S, FULL_RETRY_S, DiskState, Health

PATH = Path("disk")
GAPS = st.lists(st.sampled_from([0.0, 1.0, 7.0, 20.0, 59.0, 61.0, 700.0]), max_size=40)


def error(code: int) -> OSError:
    return OSError(code, "told to fail")


@given(GAPS)
def test_reads_that_fail_degrade_a_disk_at_three_and_end_it_at_ten_within_a_minute(gaps: Sequence[float]) -> None:
    health, now_s, failed = Health(PATH), 0.0, list[float]()
    for gap in gaps:
        now_s += gap
        health.read_failed(error(errno.EIO), now_s)
        failed.append(now_s)
        within = [at for at in failed if now_s - at <= 60]
        state = health.state(now_s)
        if len(within) >= 10:
            assert state is DiskState.OFFLINE
        elif len(within) >= 3:
            assert state is not DiskState.HEALTHY
        if state is DiskState.OFFLINE:
            return
        assert health.admits(now_s) == (state is DiskState.HEALTHY)
        # Never harsher than the rule: it was degraded by three within a minute, and hears of a failure since.
        if state is DiskState.DEGRADED:
            assert any(third - first <= 60 for first, third in zip(failed, failed[2:], strict=False))


def test_a_degraded_disk_without_further_failures_is_healthy_again() -> None:
    health = Health(PATH)
    for now_s in (0, 1, 2):
        health.read_failed(error(errno.EIO), now_s)
    assert health.state(DEGRADED_S + 1) is DiskState.DEGRADED
    assert health.state(DEGRADED_S + 2) is DiskState.HEALTHY
    assert health.admits(DEGRADED_S + 2)


@given(st.sampled_from([errno.EIO, errno.EROFS, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.EACCES]))
def test_a_write_that_fails_ends_the_use_of_a_disk(code: int) -> None:
    health = Health(PATH)
    health.write_failed(error(code), 0)
    assert health.state(0) is DiskState.OFFLINE
    assert health.state(1e9) is DiskState.OFFLINE
    assert health.given_up.is_set()


@given(st.sampled_from([errno.ENOSPC, errno.EDQUOT]))
def test_a_full_disk_is_left_alone_for_half_a_minute(code: int) -> None:
    health = Health(PATH)
    health.write_failed(error(code), 0)
    assert health.state(0) is DiskState.HEALTHY
    assert not health.admits(FULL_RETRY_S - 1)
    assert health.admits(FULL_RETRY_S)


@given(st.sampled_from([errno.EMFILE, errno.ENFILE, errno.ENOMEM]))
def test_what_the_process_lacks_is_not_held_against_the_disk(code: int) -> None:
    health = Health(PATH)
    for _ in range(20):
        health.write_failed(error(code), 0)
        health.read_failed(error(code), 0)
    assert health.admits(0)


def test_an_index_without_room_ends_admission_and_a_corrupt_one_the_use_of_the_disk() -> None:
    health = Health(PATH)
    health.index_failed(KvStalled("behind"), 0, reads=False)
    assert health.admits(0)
    health.index_failed(KvFull("no room"), 0, reads=False)
    assert not health.admits(0)
    assert health.state(0) is DiskState.HEALTHY
    health.index_full = False
    health.index_failed(KvFailed("lost"), 0, reads=True)
    assert health.admits(0)
    health.index_failed(KvCorrupt("no map"), 0, reads=True)
    assert health.state(0) is DiskState.OFFLINE
    assert health.index_lost


def test_an_index_that_cannot_be_written_ends_the_use_of_the_disk_and_is_not_lost() -> None:
    health = Health(PATH)
    health.index_failed(KvFailed("I/O error"), 0, reads=False)
    assert health.state(0) is DiskState.OFFLINE
    assert not health.index_lost
