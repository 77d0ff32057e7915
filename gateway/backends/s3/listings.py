"""Pages of keys as the protocol promises them, from a store whose order is watched."""

import base64
import binascii
import itertools
import logging
from collections.abc import Iterable

from gateway.backends.base import RESERVED, ListPage, ListQuery
from gateway.backends.http import Patience
from gateway.backends.listing import common_prefix
from gateway.backends.s3 import documents
from gateway.backends.s3.place import text_of
from gateway.backends.s3.wire import Ask, Wire
from gateway.errors import ArgumentInvalid, BackendBroken, Unsupported

_BEYOND_ALL = "\U0010ffff"
"""Behind a common prefix: after every key below it that a client would ever write."""

log = logging.getLogger(__name__)


class Listings:
    """ListObjectsV2. The first page that is out of order takes `is_ordered` away for good."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.is_ordered = True

    async def page(self, query: ListQuery) -> ListPage:
        """One page; `Unsupported` for a `start_after` where the store's order is not that of the bytes."""
        if query.start_after and query.token is None and not self.is_ordered:
            raise Unsupported("The store behind this bucket cannot begin a listing after a key.")
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
        return ListPage(tuple(entries), tuple(prefixes), None if listing.token is None else _sealed(listing.token))

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
        if query.token is not None:
            asked.append(("continuation-token", _opened(query.token)))
        elif query.start_after:
            cut = query.start_after
            rolled = cut.startswith(query.prefix) and common_prefix(cut, query.prefix, query.delimiter) == cut
            asked.append(("start-after", text_of(prefix + cut) + (_BEYOND_ALL if rolled else "")))
        return asked

    def _watch(self, keys: Iterable[bytes]) -> None:
        if self.is_ordered and any(later <= earlier for earlier, later in itertools.pairwise(keys)):
            self.is_ordered = False
            log.warning("store lists out of order", extra={"bucket": self._wire.place.bucket})


def _sealed(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode()).decode()


def _opened(token: str) -> str:
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise ArgumentInvalid("The continuation token provided is incorrect") from error
    if not text:
        raise ArgumentInvalid("The continuation token provided is incorrect")
    return text
