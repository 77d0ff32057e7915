"""The head of an answer as bytes."""

import http

STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in http.HTTPStatus}


def head_bytes(status: int, *lines: str) -> bytes:
    """The status line, whole lines of header text, and the empty line."""
    return "".join((STATUS_LINES[status], *lines, "\r\n")).encode("latin-1")
