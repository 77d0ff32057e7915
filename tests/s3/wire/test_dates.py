"""Times of HTTP and XML."""

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.s3.dates import http_date, parse_http_date, parse_xml_date, xml_date

TIMES = st.integers(0, 4_000_000_000)


@given(TIMES)
def test_times_come_back_from_both_forms(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)
    assert parse_http_date(http_date(seconds)) == seconds
    assert parse_xml_date(xml_date(seconds)) == seconds


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_of_the_standard_are_one_time(text: str) -> None:
    assert parse_http_date(text) == 784_111_777


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 31 Feb 2021 08:49:37 GMT",
        "Sun, 06 Nov 1994 25:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "784111777",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert parse_http_date(text) is None


def test_xml_dates_may_have_a_zone_or_none_and_lose_their_fraction() -> None:
    assert xml_date(1_795_402_800) == "2026-11-23T03:00:00.000Z"
    assert parse_xml_date("2026-11-23T04:00:00.999+01:00") == 1_795_402_800
    assert parse_xml_date("2026-11-23T03:00:00") == 1_795_402_800
    assert parse_xml_date("2026-13-23") is None


@given(st.text(max_size=40))
def test_random_text_raises_nothing(text: str) -> None:
    for parse in (parse_http_date, parse_xml_date):
        assert isinstance(parse(text), int | None)
