"""XML both ways: a writer made of strings, and a reader with limits and without DTDs or entities."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from gateway.errors import MessageTooLong, XmlMalformed

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SIZE_MAX = 8 * 1024 * 1024
"""Bytes of a document that is read."""
DEPTH_MAX = 16
ELEMENTS_MAX = 120_000
"""10,000 parts of a Complete with ten children each, and some room."""

# XML 1.0, section 2.2: every other character but these may stand in a document as it is.
_SPECIAL = re.compile('[&<>"\x00-\x1f\x7f\ufffe\uffff\ud800-\udfff]')
_UNCARRIED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}


# Writing. Markup is a `str` that is already XML.


def element(name: str, *children: str) -> str:
    """An element around finished markup."""
    return f"<{name}>{''.join(children)}</{name}>"


def leaf(name: str, value: str | int) -> str:
    """An element around text.

    Controls become numeric references, as AWS writes them: CR, tab and LF thereby survive every reader,
    the others are refused by strict ones, and only `encoding-type=url` promises those.
    """
    return f"<{name}>{escape(str(value))}</{name}>"


def optional(name: str, value: str | int | None) -> str:
    """A leaf, or nothing for None."""
    return "" if value is None else leaf(name, value)


def flag(name: str, *, value: bool) -> str:
    """A leaf of `true` or `false`."""
    return f"<{name}>{'true' if value else 'false'}</{name}>"


def document(root: str, *children: str) -> bytes:
    """A whole document with S3's namespace."""
    return _encoded(f'<{root} xmlns="{NAMESPACE}">{"".join(children)}</{root}>')


def bare_document(root: str, *children: str) -> bytes:
    """A whole document without a namespace."""
    return _encoded(element(root, *children))


def escape(text: str) -> str:
    """Text as markup."""
    return _SPECIAL.sub(_reference, text)


def carried(text: str) -> str:
    """The text with U+FFFD for every character that XML 1.0 cannot carry."""
    return _UNCARRIED.sub("\ufffd", text)


def _reference(match: re.Match[str]) -> str:
    character = match.group()
    return _NAMED.get(character) or f"&#{ord(character)};"


def _encoded(markup: str) -> bytes:
    return DECLARATION + markup.encode()


# Reading.


@dataclass(slots=True)
class Element:
    """An element that was read: its name without namespace, its text, its children. Attributes are dropped."""

    name: str
    text: str = ""
    children: list["Element"] = field(default_factory=list)

    def child(self, name: str) -> "Element | None":
        """The first child of this name."""
        return next(self.all(name), None)

    def all(self, name: str) -> "Iterator[Element]":
        """The children of this name, in order."""
        return (child for child in self.children if child.name == name)

    def value(self, name: str) -> str | None:
        """The text of the first child of this name."""
        found = self.child(name)
        return None if found is None else found.text


def read(body: bytes, root: str) -> Element:
    """The tree of a document whose root element is called `root`, in any namespace.

    Raises `MessageTooLong` above `SIZE_MAX`, `XmlMalformed` for everything else: not well-formed, neither
    UTF-8 nor (by its byte order mark) UTF-16, a DTD, too deep, too many elements, another root.
    """
    if len(body) > SIZE_MAX:
        raise MessageTooLong(MaxMessageLengthBytes=SIZE_MAX)
    tree = _Builder().build(body)
    if tree.name != root:
        raise XmlMalformed
    return tree


class _Builder:
    """Takes expat's events; the limits hold while it parses, so no document costs more than they allow."""

    def __init__(self) -> None:
        self._top = Element("")
        self._open = [self._top]
        self._texts: list[list[str]] = [[]]
        self._count = 0

    def build(self, body: bytes) -> Element:
        # The encoding is given, so that no declaration can choose a codec.
        parser = expat.ParserCreate("UTF-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        try:
            parser.Parse(body, True)
        except expat.ExpatError:
            raise XmlMalformed from None
        return self._top.children[0]

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > ELEMENTS_MAX or len(self._open) > DEPTH_MAX:
            raise XmlMalformed
        child = Element(name.rpartition(" ")[2])
        self._open[-1].children.append(child)
        self._open.append(child)
        self._texts.append([])

    def _end(self, _name: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def _text(self, data: str) -> None:
        self._texts[-1].append(data)


def _refuse_doctype(_name: str, _system: str | None, _public: str | None, _internal: bool) -> None:
    raise XmlMalformed
