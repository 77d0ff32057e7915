"""Errors as S3 says them."""

import re
from pathlib import Path

import gateway
from gateway.errors import (
    BackendBroken,
    CredentialsRefused,
    GatewayError,
    MethodRefused,
    ObjectMissing,
    SlowDown,
    SpanOutside,
    StorageFull,
    UriInvalid,
    VersionChanged,
)
from gateway.s3 import xml
from gateway.s3.errors import ROWS, document, fields_of, row_of


def leaves(error: GatewayError) -> dict[str, str]:
    body = document(error, resource="/b/k\x01", request_id="REQUEST", host_id="node-1")
    return {child.name: child.text for child in xml.read(body, "Error").children}


def test_every_failure_that_can_be_raised_has_a_row_and_no_other_has() -> None:
    def leaf_classes(parent: type[GatewayError]) -> set[type[GatewayError]]:
        children = set(parent.__subclasses__())
        return set().union(*(leaf_classes(child) for child in children)) if children else {parent}

    ours = {error for error in leaf_classes(GatewayError) if error.__module__ == "gateway.errors"}
    assert set(ROWS) == ours
    assert all(400 <= row.status < 600 for row in ROWS.values())


def test_every_failure_is_raised_somewhere() -> None:
    package = Path(gateway.__file__).parent
    lists = (package / "errors.py", package / "s3" / "errors.py")
    texts = [path.read_text() for path in package.rglob("*.py") if path not in lists]
    named = {word for text in texts for word in re.findall(r"\w+", text)}
    assert {error.__name__ for error in ROWS} <= named


def test_only_failures_that_a_retry_may_mend_or_that_are_ours_are_5xx() -> None:
    blamed_on_us = {error for error, row in ROWS.items() if row.status >= 500 and row.status != 501}
    not_to_be_retried_here = {StorageFull, BackendBroken, CredentialsRefused, VersionChanged}
    assert all(error.retry or error in not_to_be_retried_here for error in blamed_on_us)


def test_a_document_says_code_message_details_and_where() -> None:
    said = leaves(ObjectMissing(Key="a<b"))
    assert said == {
        "Code": "NoSuchKey",
        "Message": "The specified key does not exist.",
        "Key": "a<b",
        "Resource": "/b/k\ufffd",
        "RequestId": "REQUEST",
        "HostId": "node-1",
    }


def test_headers_go_with_the_failures_that_need_them() -> None:
    assert fields_of(SpanOutside(5)) == [("content-range", "bytes */5")]
    assert fields_of(SlowDown()) == [("retry-after", "1")]
    assert fields_of(MethodRefused(allow="GET, HEAD")) == [("allow", "GET, HEAD")]
    assert "allow" not in leaves(MethodRefused(allow="GET, HEAD"))
    assert fields_of(UriInvalid()) == []
    assert row_of(UriInvalid()).code == "InvalidURI"
