"""A push parser for the forms that browsers upload with: some fields, then one file.

Sources: "Browser-Based Uploads Using POST"; RFC 7578 (multipart/form-data), RFC 2046, section 5.1.
"""

import re
from enum import Enum, auto

from gateway.errors import ArgumentInvalid, FormExpected, FormMalformed, FormPreambleTooLong

PREAMBLE_MAX = 20 * 1024
"""Bytes of everything before the file ("Browser-Based Uploads Using POST", HTML form fields)."""
BOUNDARY_MAX = 70
"""Characters of a boundary (RFC 2046, section 5.1.1)."""

FILENAME = "${filename}"
"""In the field `key`, stands for the name of the file."""

_PARAMETER = re.compile(r';[ \t]*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^;" \t]*))[ \t]*', re.DOTALL)


class _State(Enum):
    CONTENT = auto()
    """The value of a field, or what stands before the first boundary, up to the next boundary."""
    BOUNDARY = auto()
    """The rest of a boundary's line."""
    HEADERS = auto()
    FILE = auto()
    DONE = auto()


class FormParser:
    """Takes a form's body, cut anywhere, apart.

    `fields` holds values by lower-case name, complete once `file_started`; `${filename}` in `key` has
    been replaced then. What follows the file is not read.
    """

    def __init__(self, content_type: str | None) -> None:
        """`content_type` is the request's header. Raises `FormExpected`, or `FormMalformed` without a boundary."""
        self.fields: dict[str, str] = {}
        self.file_started = False
        self._delimiter = b"\r\n--" + _boundary_of(content_type)
        # The first boundary starts a line, too, though no line stands before it.
        self._held = bytearray(b"\r\n")
        self._at = 0
        self._preamble_left = PREAMBLE_MAX
        self._state = _State.CONTENT
        self._name: str | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The bytes of the file in this stretch of the body.

        Raises `FormMalformed`, `FormPreambleTooLong`, and `ArgumentInvalid` for a form without file or key.
        """
        if not self.file_started:
            head, data = data[: self._preamble_left], data[self._preamble_left :]
            self._held += head
            self._preamble_left -= len(head)
            while self._step():
                pass
            if not self.file_started:
                if data:
                    raise FormPreambleTooLong(MaxPostPreDataLengthBytes=PREAMBLE_MAX)
                return []
            data = bytes(self._held[self._at :]) + data
            self._held.clear()
        return self._file(data)

    def end(self) -> None:
        """The body is over. Raises `ArgumentInvalid` without a file, `FormMalformed` within one."""
        if not self.file_started:
            raise _file_missing()
        if self._state is not _State.DONE:
            raise FormMalformed("The body of your POST request ended before the boundary that closes the file.")

    def _step(self) -> bool:
        """Parse one more thing of what is held; False if it is not whole yet, or the file has begun."""
        match self._state:
            case _State.CONTENT:
                content = self._take_until(self._delimiter)
                if content is not None:
                    self._finish_field(content)
                    self._state = _State.BOUNDARY
                return content is not None
            case _State.BOUNDARY:
                line = self._take_until(b"\r\n")
                if line is not None:
                    self._check_boundary(line)
                    # The line end stays: before a part without any headers it is also their end.
                    self._at -= 2
                    self._state = _State.HEADERS
                return line is not None
            case _State.HEADERS:
                headers = self._take_until(b"\r\n\r\n")
                if headers is not None:
                    self._start_part(headers)
                return headers is not None
            case _:
                return False

    def _take_until(self, end: bytes) -> bytes | None:
        found = self._held.find(end, self._at)
        if found < 0:
            return None
        taken = bytes(self._held[self._at : found])
        self._at = found + len(end)
        return taken

    def _finish_field(self, content: bytes) -> None:
        if self._name is None:
            return
        if self._name in self.fields:
            raise FormMalformed(f"The form field {self._name} occurs twice.")
        self.fields[self._name] = _utf8(content)

    def _check_boundary(self, rest: bytes) -> None:
        if rest.startswith(b"--"):
            raise _file_missing()
        if rest.strip(b" \t"):
            raise FormMalformed

    def _start_part(self, headers: bytes) -> None:
        parameters = _disposition_of(_utf8(headers))
        self._name = parameters.get("name", "").lower()
        if not self._name:
            raise FormMalformed("A part of the form has no name.")
        if self._name != "file":
            self._state = _State.CONTENT
            return
        if "key" not in self.fields:
            raise ArgumentInvalid(
                "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the "
                "fields.",
                ArgumentName="key",
            )
        filename = re.split(r"[/\\]", parameters.get("filename", ""))[-1]
        self.fields["key"] = self.fields["key"].replace(FILENAME, filename)
        self.file_started = True
        self._state = _State.FILE

    def _file(self, data: bytes) -> list[bytes]:
        if self._state is _State.DONE:
            return []
        data = bytes(self._held) + data if self._held else data
        self._held.clear()
        stop = data.find(self._delimiter)
        if stop >= 0:
            self._state = _State.DONE
        else:
            # The end may be the beginning of a boundary, which has a single CR, its first byte.
            stop = data.rfind(b"\r", max(0, len(data) - len(self._delimiter)))
            if stop < 0 or not self._delimiter.startswith(data[stop:]):
                return [data] if data else []
            self._held += data[stop:]
        return [data[:stop]] if stop else []


def _boundary_of(content_type: str | None) -> bytes:
    kind, _, _ = (content_type or "").partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise FormExpected
    assert content_type is not None
    boundary = _parameters_of(content_type[len(kind) :]).get("boundary", "")
    if not 0 < len(boundary) <= BOUNDARY_MAX or "\r" in boundary or "\n" in boundary:
        raise FormMalformed("The content-type of your POST request has no usable boundary.")
    return boundary.encode("latin-1", "replace")


def _disposition_of(headers: str) -> dict[str, str]:
    for line in headers.split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            kind, semicolon, rest = value.partition(";")
            if kind.strip().lower() == "form-data":
                return _parameters_of(semicolon + rest)
    raise FormMalformed("A part of the form has no content-disposition.")


def _parameters_of(text: str) -> dict[str, str]:
    """Parameters, `; name=value` each, by lower-case name."""
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        match = _PARAMETER.match(text, at)
        if match is None:
            raise FormMalformed
        name, quoted, token = match.groups()
        found[name.lower()] = token if quoted is None else re.sub(r"\\([\"\\])", r"\1", quoted)
        at = match.end()
    return found


def _utf8(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise FormMalformed("The form is not UTF-8.") from None


def _file_missing() -> ArgumentInvalid:
    return ArgumentInvalid("POST requires exactly one file upload per request.", ArgumentName="file", ArgumentValue="0")
