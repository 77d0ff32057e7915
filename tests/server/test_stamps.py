"""What every answer carries."""

from gateway.clock import ManualClock
from gateway.s3.dates import parse_http_date
from gateway.server.stamps import Stamps


def test_the_date_is_that_of_the_second() -> None:
    clock = ManualClock(1_700_000_000.9)
    stamps = Stamps(clock)
    for _ in range(3):
        date, server, end = stamps.lines().split("\r\n")
        assert parse_http_date(date.removeprefix("date: ")) == int(clock.now_s())
        assert (server, end) == ("server: forebay", "")
        clock.advance(0.6)


def test_ids_are_16_hex_digits_and_never_the_same() -> None:
    stamps = Stamps(ManualClock())
    ids = {stamps.request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in ids)


def test_two_nodes_do_not_share_ids() -> None:
    clock = ManualClock()
    assert Stamps(clock).request_id() != Stamps(clock).request_id()
