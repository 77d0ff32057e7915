"""Sizes, durations, addresses, secrets: from text to value and back."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Address, AdminConfig, ByteSize, Duration, Secret


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512B", 512),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("4MiB", 4 * 1024**2),
        ("10GB", 10**10),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("2 TiB", 2 * 1024**4),
        ("7", 7),
    ],
)
def test_a_size_is_a_number_and_a_unit(text: str, size: int) -> None:
    assert ByteSize.parse(text) == size


@pytest.mark.parametrize(
    "text", ["", "MiB", "4 Mib", "4mib", "-1MiB", "1.5B", "1e3", "4MiB ", "٤MiB", None, True, -1, 1.5]
)
def test_what_is_no_size_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"size|whole number"):
        ByteSize.parse(text)


@given(st.integers(0, 2**60))
def test_a_size_written_out_reads_back_as_itself(size: int) -> None:
    assert ByteSize.parse(str(ByteSize(size))) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("90s", 90), ("1.5m", 90), ("2h", 7200), ("7d", 604_800), ("0", 0), (5, 5), (0.5, 0.5)],
)
def test_a_duration_is_a_number_and_a_unit(text: object, seconds: float) -> None:
    assert Duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5", "5 minutes", "-1s", "1w", None, True, -1, float("nan"), float("inf")])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        Duration.parse(text)


@given(st.integers(0, 10**9))
def test_a_duration_written_out_reads_back_as_itself(milliseconds: int) -> None:
    seconds = milliseconds / 1000
    assert Duration.parse(str(Duration(seconds))) == pytest.approx(seconds, rel=1e-9)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("[::1]:80", "::1", 80),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("localhost:65535", "localhost", 65535),
    ],
)
def test_an_address_is_host_and_port(text: str, host: str, port: int) -> None:
    address = Address.parse(text)
    assert (address.host, address.port) == (host, port)
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", "9000", ":9000", "host:", "host:65536", "host:-1", "::1:80", "[host]:80", "h:x", 9000]
)
def test_what_is_no_address_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="address"):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:1", True),
        ("127.3.3.3:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("a.b:1", False),
    ],
)
def test_loopback_is_what_only_this_host_reaches(text: str, expected: bool) -> None:
    assert Address.parse(text).is_loopback is expected


def test_no_rendering_of_a_secret_shows_it() -> None:
    secret = Secret("open sesame")
    section = AdminConfig(token=secret)
    shown = [
        repr(secret),
        str(secret),
        f"{secret} {secret!s:>20}",
        repr(section),
        str(section),
        str(section.model_dump()),
    ]
    assert not [text for text in shown if "sesame" in text]
    assert secret.reveal() == "open sesame"


def test_an_empty_secret_is_false_and_equal_secrets_are_equal() -> None:
    assert not Secret()
    assert Secret("a")
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert pickle.loads(pickle.dumps(ByteSize(5))) == 5
