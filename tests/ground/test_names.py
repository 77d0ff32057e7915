"""Which names buckets may have."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import is_bucket_name


@pytest.mark.parametrize("name", ["abc", "a-b", "a--b", "a.b", "0.1", "a" * 63, "1.2.3.4.5", "1.2.3.x", "xn-a"])
def test_a_name_that_s3_takes_is_taken(name: str) -> None:
    assert is_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "a",
            "ab",
            "a" * 64,
            "Abc",
            "a_b",
            "a b",
            "-ab",
            "ab-",
            ".ab",
            "ab.",
            "a..b",
            "a.-b",
            "a-.b",
            "abc\n",
            "äbc",
        ),
        *("1.2.3.4", "999.999.999.999", "xn--abc", "sthree-abc", "amzn-s3-demo-abc"),
        *("abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "abc--table-s3"),
    ],
)
def test_a_name_that_s3_refuses_is_refused(name: str) -> None:
    assert not is_bucket_name(name)


@given(st.text(st.sampled_from("ab0.-_A"), max_size=8))
def test_every_label_of_a_good_name_is_a_good_host_label(name: str) -> None:
    if is_bucket_name(name):
        assert all(re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", label) for label in name.split("."))
