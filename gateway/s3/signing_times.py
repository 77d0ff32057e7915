"""The times that signatures name, and how far they may be off."""

from calendar import timegm
from datetime import UTC, datetime
from functools import lru_cache

from gateway.errors import AccessRefused, ClockSkewed
from gateway.s3.dates import parse_http_date, xml_date

SKEW_MAX_S = 15 * 60
"""How far a request's date may lie from ours ("Signature Calculations for the Authorization Header")."""
_STAMP_SIZE = 16


def seconds_of(stamp: bytes) -> int | None:
    """Unix time of `YYYYMMDDTHHMMSSZ`; None if it is anything else."""
    # Strangers may send longer ones, which are not to be remembered.
    return _seconds_of(stamp) if len(stamp) == _STAMP_SIZE else None


@lru_cache(maxsize=256)
def _seconds_of(stamp: bytes) -> int | None:
    digits = stamp[:8] + stamp[9:15]
    # strptime alone would also take blanks, signs and numbers of one digit.
    if stamp != b"%bT%bZ" % (stamp[:8], stamp[9:15]) or len(digits) != 14 or not digits.isdigit():
        return None
    try:
        return timegm(datetime.strptime(digits.decode(), "%Y%m%d%H%M%S").timetuple())
    except ValueError:
        return None


def stamp_of_http_date(text: str) -> bytes | None:
    """An HTTP date as `YYYYMMDDTHHMMSSZ`; None if it cannot be read."""
    # AWS's own examples of version 2 write the zone as a number.
    seconds = parse_http_date(text.replace("+0000", "GMT"))
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y%m%dT%H%M%SZ").encode()


def check_skew(requested_s: int, requested: str, now_s: float) -> None:
    """Raise `ClockSkewed` if the request's own time lies too far from ours."""
    if abs(requested_s - now_s) > SKEW_MAX_S:
        raise ClockSkewed(
            RequestTime=requested, ServerTime=xml_date(int(now_s)), MaxAllowedSkewMilliseconds=SKEW_MAX_S * 1000
        )


def date_missing() -> AccessRefused:
    """What to raise for a request whose date is missing or cannot be read."""
    return AccessRefused("AWS authentication requires a valid Date or x-amz-date header")
