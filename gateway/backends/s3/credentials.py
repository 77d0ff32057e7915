"""What an S3 store is asked with: fixed keys, or what the AWS chain finds, refreshed off the request path."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.backends.signing import Signer
from gateway.clock import Clock
from gateway.config.places import S3Options
from gateway.errors import BackendUnavailable, CredentialsRefused

AHEAD_S = 15 * 60
"""Credentials that end sooner than this are replaced in the background."""
LATE_S = 60
"""Credentials that end sooner than this are not used any more: the request could arrive too late."""
LOADS_APART_S = 10.0
"""However soon credentials end and whatever the store says of them, the chain is asked at most this often."""

log = logging.getLogger(__name__)


class Source(Protocol):
    """What the AWS chain found."""

    def ends_within(self, seconds: float) -> bool:
        """Whether what `signer` answered is no good any more that soon."""
        ...

    async def signer(self) -> Signer:
        """What to sign with now; asks the network where it must."""
        ...


Find = Callable[[S3Options], Awaitable[Source]]


class Credentials:
    """The credentials of one mount. `current` waits for the network only while nothing valid is there.

    Making one may block for the time it takes to load the AWS library.
    """

    def __init__(self, options: S3Options, clock: Clock, find: Find | None = None) -> None:
        """`find` looks for what the options do not say themselves; the AWS chain, if none is given."""
        self._options = options
        self._clock = clock
        self._fixed = _fixed(options)
        self._find = None if self._fixed is not None or options.anonymous else find or _chain()
        self._source: Source | None = None
        self._signer: Signer | None = None
        self._loaded_s = -LOADS_APART_S
        self._lock = asyncio.Lock()
        self._refreshing: asyncio.Task[None] | None = None

    async def current(self) -> Signer | None:
        """What to sign with, None for anonymous; raises `CredentialsRefused` where there is nothing."""
        if self._find is None:
            return self._fixed
        source, signer = self._source, self._signer
        if source is None or signer is None or source.ends_within(LATE_S):
            return await self._renewed()
        if source.ends_within(AHEAD_S):
            self._refresh_soon()
        return signer

    async def refresh(self, refused: Signer | None) -> bool:
        """Looks for others where these are refused; whether there is any point in asking the store again."""
        if self._find is None:
            return False
        async with self._lock:
            if self._signer == refused:
                if self._is_fresh():
                    return False
                self._source = None
                await self._load()
        return True

    async def close(self) -> None:
        """Ends a refresh in progress."""
        if self._refreshing is not None:
            self._refreshing.cancel()
            await asyncio.wait([self._refreshing])

    async def _renewed(self) -> Signer:
        async with self._lock:
            if self._source is None or self._signer is None or self._source.ends_within(LATE_S):
                await self._load()
            assert self._signer is not None
            return self._signer

    async def _load(self) -> None:
        assert self._find is not None
        self._loaded_s = self._clock.monotonic_s()
        if self._source is None:
            self._source = await self._find(self._options)
        self._signer = await self._source.signer()

    def _refresh_soon(self) -> None:
        if not self._is_fresh() and (self._refreshing is None or self._refreshing.done()):
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh_ahead())

    def _is_fresh(self) -> bool:
        return self._clock.monotonic_s() - self._loaded_s < LOADS_APART_S

    async def _refresh_ahead(self) -> None:
        async with self._lock:
            try:
                await self._load()
            except (BackendUnavailable, CredentialsRefused) as error:
                # The old ones hold for a while; the next request tries again.
                log.warning("cannot refresh credentials", extra={"error": str(error)})


def _chain() -> Find:
    from gateway.backends.s3.chain import find  # noqa: PLC0415  # It loads the AWS library, which few mounts need.

    return find


def _fixed(options: S3Options) -> Signer | None:
    if not options.access_key_id or options.role_arn:
        return None
    return Signer(
        options.access_key_id,
        options.secret_access_key.reveal(),
        options.region,
        options.session_token.reveal() or None,
    )
