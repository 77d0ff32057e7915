"""Names of buckets and keys."""

import pytest

from gateway.errors import ArgumentInvalid, BucketNameInvalid, KeyTooLong, UriInvalid
from gateway.model import Key
from gateway.s3.names import check_bucket, check_key


@pytest.mark.parametrize("name", ["abc", "a.b-c", "1bucket1", "a" * 63, "1.2.3", "1.2.3.4.5", "xn-a"])
def test_names_within_the_rules_are_taken(name: str) -> None:
    check_bucket(name)


@pytest.mark.parametrize(
    "name",
    [
        *("", "ab", "a" * 64, "Abc", "a_b", "äbc", "a b", "abc\n", "-abc", "abc-", ".abc", "abc."),
        *("a..b", "a.-b", "a-.b", "192.168.5.4", "xn--abc", "sthree-abc", "amzn-s3-demo-abc"),
        *("a-s3alias", "a--ol-s3", "a.mrap", "a--x-s3", "a--table-s3"),
    ],
)
def test_every_rule_of_bucket_names_is_kept(name: str) -> None:
    with pytest.raises(BucketNameInvalid):
        check_bucket(name)


def test_keys_have_1_to_1024_bytes_of_utf8_without_nul() -> None:
    check_key(Key("é".encode() * 512))
    with pytest.raises(KeyTooLong) as caught:
        check_key(Key("é".encode() * 512 + b"x"))
    assert caught.value.details == {"Size": "1025", "MaxSizeAllowed": "1024"}
    for key in (b"", b"a\0b"):
        with pytest.raises(ArgumentInvalid):
            check_key(Key(key))
    with pytest.raises(UriInvalid):
        check_key(Key(b"\xff"))
