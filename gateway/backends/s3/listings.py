"""Pages of keys as the protocol promises them, from a store whose order is watched."""

import base64
import binascii
import itertools
import logging
from collections.abc import Iterable
from dataclasses import replace

from gateway.backends.base import RESERVED, ListPage, ListQuery
from gateway.backends.http import Patience
from gateway.backends.listing import common_prefix
from gateway.backends.s3 import documents
from gateway.backends.s3.place import text_of
from gateway.backends.s3.wire import Ask, Wire
from gateway.errors import ArgumentInvalid, BackendBroken, Unsupported

_BEYOND_ALL = "\U0010ffff"
"""Behind a common prefix: after every key below it that a client would ever write."""

_OF_THE_STORE, _AFTER_PREFIX = "s", "p"
"""The first letter of a token: the store's own follows, or a common prefix after which to go on."""

log = logging.getLogger(__name__)


class Listings:
    """ListObjectsV2. The first page that is out of order takes `is_ordered` away for good."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.is_ordered = True

    async def page(self, query: ListQuery) -> ListPage:
        """One page; `Unsupported` for a `start_after` where the store's order is not that of the bytes."""
        if query.token is not None and query.token.startswith(_AFTER_PREFIX):
            return await self._page(replace(query, token=None, start_after=_decoded(query.token)))
        if query.token is not None or not query.start_after:
            return await self._page(query)
        if not self.is_ordered:
            raise Unsupported("The store behind this bucket cannot begin a listing after a key.")
        return await self._page_after(query)

    async def names(self, prefix: bytes, limit: int) -> list[bytes]:
        """The first names behind a prefix, from the root of the bucket and as the store tells them, our own too."""
        query = self._asked(ListQuery(prefix=prefix, limit=limit))
        answer = await self._wire.fetch(Ask("GET", self._wire.place.list_path, query, patience=Patience.LIST))
        return [entry.key for entry in documents.listing_of(answer.body, 0).entries]

    async def _page_after(self, query: ListQuery) -> ListPage:
        """Puts in the common prefix that lies around the cut: stores leave it out though keys after the cut make it."""
        cut = query.start_after
        around = common_prefix(cut, query.prefix, query.delimiter) if cut.startswith(query.prefix) else None
        if around is None or around == cut:
            return await self._page(query)
        below = await self._page(ListQuery(prefix=around, start_after=cut, limit=1))
        if not below.entries:
            return await self._page(replace(query, start_after=around))
        if query.limit == 1:
            return ListPage((), (around,), _AFTER_PREFIX + _encoded(around))
        rest = await self._page(replace(query, start_after=around, limit=query.limit - 1))
        return ListPage(rest.entries, (around, *rest.prefixes), rest.token)

    async def _page(self, query: ListQuery) -> ListPage:
        place = self._wire.place
        ask = Ask("GET", place.list_path, self._asked(query), patience=Patience.LIST)
        try:
            answer = await self._wire.fetch(ask)
        except BackendBroken as error:
            if query.token is None:
                raise
            raise ArgumentInvalid("The continuation token provided is incorrect") from error
        listing = documents.listing_of(answer.body, len(place.prefix))
        cut = query.start_after if query.token is None else b""
        entries = [entry for entry in listing.entries if entry.key and not entry.key.startswith(RESERVED)]
        prefixes = [prefix for prefix in listing.prefixes if not prefix.startswith(RESERVED) and prefix != cut]
        self._watch(itertools.chain((cut,) if cut else (), (entry.key for entry in entries)))
        self._watch(prefixes)
        token = None if listing.token is None else _OF_THE_STORE + _encoded(listing.token.encode())
        return ListPage(tuple(entries), tuple(prefixes), token)

    def _asked(self, query: ListQuery) -> list[tuple[str, str]]:
        prefix = self._wire.place.prefix
        asked = [
            ("list-type", "2"),
            # Without it some names arrive as XML that cannot be read, or changed.
            ("encoding-type", "url"),
            ("max-keys", str(query.limit)),
            ("prefix", text_of(prefix + query.prefix)),
        ]
        if query.delimiter:
            asked.append(("delimiter", text_of(query.delimiter)))
        if query.token is not None and not query.token.startswith(_OF_THE_STORE):
            raise ArgumentInvalid("The continuation token provided is incorrect")
        if query.token is not None:
            asked.append(("continuation-token", text_of(_decoded(query.token))))
        elif query.start_after:
            cut = query.start_after
            rolled = cut.startswith(query.prefix) and common_prefix(cut, query.prefix, query.delimiter) == cut
            asked.append(("start-after", text_of(prefix + cut) + (_BEYOND_ALL if rolled else "")))
        return asked

    def _watch(self, keys: Iterable[bytes]) -> None:
        if self.is_ordered and any(later <= earlier for earlier, later in itertools.pairwise(keys)):
            self.is_ordered = False
            log.warning("store lists out of order", extra={"bucket": self._wire.place.bucket})


def _encoded(place: bytes) -> str:
    return base64.urlsafe_b64encode(place).decode()


def _decoded(token: str) -> bytes:
    try:
        place = base64.b64decode(token[1:], altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise ArgumentInvalid("The continuation token provided is incorrect") from error
    if not place:
        raise ArgumentInvalid("The continuation token provided is incorrect")
    return place
