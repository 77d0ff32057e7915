"""The query of a request, read by name and type; a parameter that is read must not occur twice."""

from dataclasses import dataclass

from gateway.errors import ArgumentInvalid, GatewayError
from gateway.s3.head import Query

INTEGER_MAX = 2**31 - 1
PAGE_MAX = 1000
"""Items of a page, of whatever listing."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """A decoded query. Every reader raises `ArgumentInvalid`, naming the parameter, for what it cannot take."""

    query: Query

    def raw(self, name: str) -> bytes | None:
        """The value as bytes of UTF-8 without NUL; None if the parameter is not there."""
        wanted = name.encode()
        values = [value for parameter, value in self.query if parameter == wanted]
        if not values:
            return None
        if len(values) > 1:
            raise ArgumentInvalid(f"The query parameter {name} occurs twice.", ArgumentName=name)
        if b"\0" in values[0] or not _is_utf8(values[0]):
            raise ArgumentInvalid(f"The query parameter {name} is not text.", ArgumentName=name)
        return values[0]

    def text(self, name: str) -> str | None:
        value = self.raw(name)
        return None if value is None else value.decode()

    def integer(self, name: str, *, low: int = 0, high: int = INTEGER_MAX) -> int | None:
        """A whole number of `low` to `high`, both included; None if the parameter is not there."""
        text = self.text(name)
        if text is None:
            return None
        number = parse_integer(text)
        if number is None or not low <= number <= high:
            raise invalid(name, text, f"The argument {name} must be an integer between {low} and {high}.")
        return number

    def limit(self, name: str) -> int:
        """How many items a page may have: at most, and by default, 1,000."""
        number = self.integer(name)
        return PAGE_MAX if number is None else min(number, PAGE_MAX)

    def url_encoded(self) -> bool:
        """Whether a listing's names are wanted percent-encoded."""
        encoding = self.text("encoding-type")
        if encoding is None:
            return False
        if encoding != "url":
            raise invalid("encoding-type", encoding, "Invalid Encoding Method specified in Request")
        return True


def parse_integer(text: str) -> int | None:
    """A number of ASCII digits only, at most 19 of them; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 else None


def invalid(name: str, value: str, message: str) -> GatewayError:
    """What to raise for an argument with a value that cannot be."""
    return ArgumentInvalid(message, ArgumentName=name, ArgumentValue=value)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
