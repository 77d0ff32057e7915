"""Times in HTTP and in S3's XML, both ways; whole unix seconds in between."""

import re
from datetime import UTC, datetime
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
# RFC 9110, section 5.6.7. The day's name says nothing that the date does not.
_HTTP_DATES = tuple(
    re.compile(pattern)
    for pattern in (
        f"[A-Za-z]{{3}}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT",
        f"[A-Za-z]{{6,9}}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",
        f"[A-Za-z]{{3}} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_CENTURY_PIVOT = 70
"""Years of two digits from here on are of the twentieth century."""


@lru_cache(maxsize=4096)
def http_date(seconds: int) -> str:
    """The preferred form, `Sun, 06 Nov 1994 08:49:37 GMT`."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{_DAYS[moment.weekday()]}, {moment:%d} {_MONTHS[moment.month - 1]} {moment.year:04} {moment:%H:%M:%S} GMT"


def parse_http_date(text: str) -> int | None:
    """Unix time of any of the three forms; None if `text` is none of them, or no real date."""
    for form in _HTTP_DATES:
        match = form.fullmatch(text)
        if match is not None:
            return _seconds(match)
    return None


def xml_date(seconds: int) -> str:
    """As in listings: `2026-11-23T03:00:00.000Z`."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def parse_xml_date(text: str) -> int | None:
    """Unix time of an ISO 8601 time, cut to whole seconds; without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None


def _seconds(match: re.Match[str]) -> int | None:
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += 1900 if year >= _CENTURY_PIVOT else 2000
    hour, minute, second = (int(match[name]) for name in ("hour", "minute", "second"))
    try:
        # A leap second has no unix time of its own.
        moment = datetime(
            year, _MONTHS.index(match["month"]) + 1, int(match["day"]), hour, minute, min(second, 59), tzinfo=UTC
        )
    except ValueError:
        return None
    return int(moment.timestamp())
