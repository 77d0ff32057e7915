"""Tags by header and by document."""

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import ArgumentInvalid, TagInvalid, XmlMalformed
from gateway.model import Tags
from gateway.s3 import xml
from gateway.s3.tagging import OBJECT_TAGS_MAX, checked, document, read_document, read_header

TEXT = st.text("aé名Z0 +-=._:/@", max_size=8)
TAGS = st.dictionaries(TEXT.filter(bool), TEXT, max_size=OBJECT_TAGS_MAX).map(lambda tags: tuple(sorted(tags.items())))


@given(TAGS)
def test_tags_come_back_from_header_and_document(tags: Tags) -> None:
    assert read_header(urlencode(tags)) == tags
    assert read_document(document(tags), count_max=OBJECT_TAGS_MAX) == tags


@pytest.mark.parametrize(
    "pairs",
    [
        [("", "v")],
        [("k" * 129, "v")],
        [("k", "v" * 257)],
        [("k!", "v")],
        [("k", "<v>")],
        [("AWS:k", "v")],
        [("k", "1"), ("k", "2")],
        [(str(number), "") for number in range(11)],
    ],
)
def test_every_rule_of_tags_is_kept(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(TagInvalid):
        checked(pairs, count_max=OBJECT_TAGS_MAX)


def test_the_longest_tags_are_taken() -> None:
    pairs = [(f"{number}".ljust(128, "k"), "v" * 256) for number in range(10)]
    assert len(checked(pairs, count_max=OBJECT_TAGS_MAX)) == 10


@pytest.mark.parametrize("text", ["a=%", "a=%ff"])
def test_a_header_that_is_no_query_is_refused(text: str) -> None:
    with pytest.raises(ArgumentInvalid):
        read_header(text)


@pytest.mark.parametrize("inner", ["", "<TagSet><Tag><Key>k</Key></Tag></TagSet>", "<TagSet><Tag/></TagSet>"])
def test_a_document_without_set_name_or_value_is_malformed(inner: str) -> None:
    with pytest.raises(XmlMalformed):
        read_document(xml.bare_document("Tagging", inner), count_max=OBJECT_TAGS_MAX)
