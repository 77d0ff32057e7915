"""The types of fields: sizes, durations, addresses, networks, paths and secrets."""

import ipaddress
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

SECRET_SIZE_MAX = 65_536
"""Bytes of a file that a secret is read from."""

_BYTES_PER_UNIT = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
_SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_FRESHNESS_WORDS = {"always": 0.0, "immutable": math.inf}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([A-Za-z]*)")


class Section(BaseModel):
    """A table of the configuration file: frozen, and without room for unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        hide_input_in_errors=True,
    )


class ByteSize(int):
    """A number of bytes, written `"4MiB"`, `"1.5GB"`, `"512B"` or as a plain number."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError with a sentence for a person."""
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return cls(value)
        number, unit = _quantity(value)
        if number is None or unit not in {"", *_BYTES_PER_UNIT}:
            raise ValueError('not a size: write a number and a unit, like "4MiB", "10GB" or "512B"')
        size = number * _BYTES_PER_UNIT.get(unit, 1)
        if size != int(size):
            raise ValueError("not a whole number of bytes")
        return cls(int(size))

    def __str__(self) -> str:
        for unit in ("TiB", "GiB", "MiB", "KiB"):
            if self and self % _BYTES_PER_UNIT[unit] == 0:
                return f"{int(self) // _BYTES_PER_UNIT[unit]}{unit}"
        return f"{int(self)}B"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Self], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse)


class Duration(float):
    """Seconds, written `"250ms"`, `"90s"`, `"5m"`, `"2h"`, `"7d"` or as a plain number of seconds."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError with a sentence for a person."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf:
            return cls(value)
        number, unit = _quantity(value)
        if number is None or (unit not in _SECONDS_PER_UNIT and number != 0):
            raise ValueError('not a duration: write a number and a unit, like "250ms", "90s", "5m", "2h" or "7d"')
        return cls(float(number) * _SECONDS_PER_UNIT.get(unit, 1.0))

    def __str__(self) -> str:
        for unit in ("d", "h", "m", "s"):
            count = float(self) / _SECONDS_PER_UNIT[unit]
            if count >= 1 and count == int(count):
                return f"{int(count)}{unit}"
        return f"{float(self) * 1000:.15g}ms" if self else "0s"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Self], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse)


class Freshness(float):
    """Seconds for which info is trusted: a duration, `"always"` (0: ask at every read) or `"immutable"` (infinite)."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Raises ValueError with a sentence for a person."""
        if isinstance(value, cls):
            return value
        if value in _FRESHNESS_WORDS:
            return cls(_FRESHNESS_WORDS[str(value)])
        try:
            return cls(Duration.parse(value))
        except ValueError as error:
            raise ValueError('neither "always" nor "immutable", and ' + str(error)) from error

    def __str__(self) -> str:
        words = {seconds: word for word, seconds in _FRESHNESS_WORDS.items()}
        return words.get(float(self)) or str(Duration(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type[Self], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: `"127.0.0.1:9000"`, `"[::1]:9000"`, `"0.0.0.0:9000"`; port 0 takes any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, value: object) -> "Address":
        """Raises ValueError with a sentence for a person."""
        if isinstance(value, cls):
            return value
        host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
        if not (colon and host and port.isascii() and port.isdigit() and int(port) < 65_536):
            raise ValueError('not an address: write host and port, like "127.0.0.1:9000" or "0.0.0.0:9000"')
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed != (":" in host):
            raise ValueError('not an address: an IPv6 host stands in brackets, like "[::1]:9000"')
        return cls(host.strip("[]"), int(port))

    @property
    def is_loopback(self) -> bool:
        """Whether only this host can reach it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type["Address"], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(cls.parse)


class Secret:
    """A text that no log, error, repr or dump ever shows; false when empty.

    Written in the file as it is, or as `file:PATH`: that file's text without the last line end.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str = "") -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; for the one place that needs it."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(***)" if self._text else "Secret()"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: type["Secret"], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(_secret)


def _quantity(value: object) -> tuple[Decimal | None, str]:
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    return (Decimal(match[1]), match[2]) if match else (None, "")


def _secret(value: object, info: ValidationInfo) -> Secret:
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str):
        raise ValueError("not a text")
    if not value.startswith("file:"):
        return Secret(value)
    path = _from_base(Path(value.removeprefix("file:")), info)
    try:
        with path.open("rb") as file:
            text = file.read(SECRET_SIZE_MAX + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read the secret from {path}: {_reason(error)}") from error
    if len(text) > SECRET_SIZE_MAX:
        raise ValueError(f"{path} is too large to be a secret")
    return Secret(text.removesuffix("\n").removesuffix("\r"))


def _reason(error: OSError | UnicodeDecodeError) -> str:
    # The text of a UnicodeDecodeError would show bytes of the secret.
    return (error.strerror or "failed") if isinstance(error, OSError) else "it is not UTF-8 text"


def _from_base(path: Path, info: ValidationInfo) -> Path:
    return Path(info.context["base"], path) if info.context else path


def _path(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str | Path):
        return _from_base(Path(value).expanduser(), info) if value else None
    return value


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str | IPv4Network | IPv6Network):
        raise ValueError('not a network: write a text like "10.0.0.0/8"')
    return ipaddress.ip_network(value)


def matching(pattern: str, sentence: str) -> AfterValidator:
    """Refuses a text that is not wholly of `pattern`, with a sentence for a person."""
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(sentence)
        return text

    return AfterValidator(check)


ConfigPath = Annotated[Path, BeforeValidator(_path)]
"""A path; a relative one counts from the directory of the file."""

OptionalPath = Annotated[Path | None, BeforeValidator(_path)]
"""The same; the empty text is none."""

Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
"""A network, `"10.0.0.0/8"`; a lone address is a network of one."""
