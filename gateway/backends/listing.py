"""The rules of S3 listings (order, roll-up, cut), for any store that can name its next key."""

import base64
import binascii
from collections.abc import Callable
from typing import Protocol

from gateway.backends.base import Entry, ListPage, ListQuery
from gateway.errors import ArgumentInvalid
from gateway.model import Info, Key


class KeySource(Protocol):
    """The keys of a store in the order of their bytes. Asked with ascending starts only."""

    def first(self, start: bytes) -> bytes | None:
        """The smallest key that is not below `start`, or None.

        Where all keys below a directory roll up into one prefix, it may name the directory itself.
        """
        ...

    def entry(self, key: Key) -> Entry | None:
        """The entry of a key just named; None if it is gone or turns out to be no object."""
        ...


def page_of(source: KeySource, query: ListQuery) -> ListPage:
    """One page: a stretch of the one sequence that keys and common prefixes form together."""
    entries: list[Entry] = []
    prefixes: list[bytes] = []
    start = first_start(query)
    resume = start
    while start is not None:
        found = source.first(start)
        if found is None or not found.startswith(query.prefix):
            break
        rolled = common_prefix(found, query.prefix, query.delimiter)
        entry = source.entry(Key(found)) if rolled is None else None
        start = after_key(found) if rolled is None else beyond(rolled)
        if rolled is None and entry is None:
            continue
        if len(entries) + len(prefixes) == query.limit:
            assert resume is not None
            return ListPage(tuple(entries), tuple(prefixes), token_of(resume))
        if entry is not None:
            entries.append(entry)
        if rolled is not None:
            prefixes.append(rolled)
        resume = start
    return ListPage(tuple(entries), tuple(prefixes), None)


def common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """What `key`, which begins with `prefix`, rolls up into; None if it stands for itself."""
    if not delimiter:
        return None
    place = key.find(delimiter, len(prefix))
    return None if place < 0 else key[: place + len(delimiter)]


def roller(query: ListQuery) -> Callable[[bytes], bool]:
    """Answers of a directory's key `dir/` whether all keys below it roll up into one common prefix."""
    return lambda folder: (
        folder.startswith(query.prefix) and common_prefix(folder, query.prefix, query.delimiter) is not None
    )


def first_start(query: ListQuery) -> bytes | None:
    """The lower bound, itself included, of the keys this page may show; None if there can be none."""
    if query.token is not None:
        return max(start_of(query.token), query.prefix)
    start = beyond_cut(query.start_after, query.prefix, query.delimiter)
    return None if start is None else max(start, query.prefix)


def beyond_cut(cut: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """The first place after `cut`; a cut that is a common prefix takes all keys under it along."""
    if not cut:
        return b""
    if cut.startswith(prefix) and common_prefix(cut, prefix, delimiter) == cut:
        return beyond(cut)
    return after_key(cut)


def after_key(key: bytes) -> bytes:
    """The smallest bytes greater than `key`."""
    return key + b"\0"


def beyond(prefix: bytes) -> bytes | None:
    """The smallest bytes greater than everything that begins with `prefix`; None if there are none."""
    stem = prefix.rstrip(b"\xff")
    return stem[:-1] + bytes([stem[-1] + 1]) if stem else None


def token_of(start: bytes) -> str:
    """A token that resumes at the first key not below `start`."""
    return base64.urlsafe_b64encode(start).decode()


def start_of(token: str) -> bytes:
    """Where a token resumes; `ArgumentInvalid` if it is none."""
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ArgumentInvalid("The continuation token provided is incorrect") from error


def entry_of(key: Key, info: Info) -> Entry:
    """How a listing shows the object that `stat` describes."""
    return Entry(key, info.version, info.size, info.modified_s, info.etag, info.checksum)
