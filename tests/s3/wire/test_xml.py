"""XML both ways."""

from contextlib import suppress
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import GatewayError, MessageTooLong, XmlMalformed
from gateway.s3 import xml

CARRIED = st.text(st.characters(exclude_characters="\ufffe\uffff", exclude_categories=["Cs"])).filter(
    lambda text: xml.carried(text) == text
)


@given(st.lists(st.tuples(st.sampled_from(["Key", "Prefix"]), CARRIED), max_size=5))
def test_what_is_written_is_read_back_equal(leaves: list[tuple[str, str]]) -> None:
    body = xml.document("Root", *(xml.leaf(name, text) for name, text in leaves))
    assert [(child.name, child.text) for child in xml.read(body, "Root").children] == leaves
    independent = ElementTree.fromstring(body)
    assert [(child.tag.rpartition("}")[2], child.text or "") for child in independent] == leaves


@given(st.text())
def test_what_xml_cannot_carry_is_replaced_where_that_is_asked(text: str) -> None:
    body = xml.bare_document("Root", xml.leaf("Message", xml.carried(text)))
    assert xml.read(body, "Root").value("Message") == xml.carried(text)


def test_controls_become_references_as_aws_writes_them() -> None:
    assert xml.leaf("Key", "a\x01\r\n\tb<&>\"'") == "<Key>a&#1;&#13;&#10;&#9;b&lt;&amp;&gt;&quot;'</Key>"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"<Root>",
        b"<Root></Other>",
        b"<Other/>",
        b"<Root/><Root/>",
        b'<!DOCTYPE Root [<!ENTITY a "b">]><Root>&a;</Root>',
        b"<!DOCTYPE Root><Root/>",
        b"<Root>&unknown;</Root>",
        b"<Root>\xff</Root>",
        b"<Root>\0</Root>",
        b"<p:Root/>",
    ],
)
def test_what_is_not_one_plain_document_of_this_root_is_malformed(body: bytes) -> None:
    with pytest.raises(XmlMalformed):
        xml.read(body, "Root")


def test_no_declaration_chooses_a_codec() -> None:
    body = '<?xml version="1.0" encoding="rot13"?><Root>é</Root>'.encode()
    assert xml.read(body, "Root").text == "é"


def test_any_namespace_will_do() -> None:
    body = b'<a:Root xmlns:a="urn:x"><Key xmlns="urn:y">k</Key><a:Key>l</a:Key></a:Root>'
    assert [child.text for child in xml.read(body, "Root").all("Key")] == ["k", "l"]


def test_depth_count_and_size_have_limits() -> None:
    deep = xml.DEPTH_MAX - 1
    xml.read(b"<Root>" + b"<a>" * deep + b"</a>" * deep + b"</Root>", "Root")
    with pytest.raises(XmlMalformed):
        xml.read(b"<Root>" + b"<a>" * (deep + 1) + b"</a>" * (deep + 1) + b"</Root>", "Root")
    xml.read(b"<Root>" + b"<a/>" * (xml.ELEMENTS_MAX - 1) + b"</Root>", "Root")
    with pytest.raises(XmlMalformed):
        xml.read(b"<Root>" + b"<a/>" * xml.ELEMENTS_MAX + b"</Root>", "Root")
    with pytest.raises(MessageTooLong):
        xml.read(b" " * xml.SIZE_MAX + b"<Root/>", "Root")


@given(st.one_of(st.binary(max_size=80), st.text("<>/Ra&;! x='\"[]?", max_size=60).map(str.encode)))
def test_random_bytes_raise_nothing_but_expected_failures(body: bytes) -> None:
    with suppress(GatewayError):
        assert xml.read(body, "R").name == "R"
