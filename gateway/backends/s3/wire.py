"""Signed requests to one bucket of an S3 store, and the answers to them: heads that succeeded, or failures."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.backends.http import Http, Patience, Response, Upload, document
from gateway.backends.s3 import documents
from gateway.backends.s3.credentials import Credentials
from gateway.backends.s3.headers import size_of
from gateway.backends.s3.place import endpoint_of, place_of
from gateway.backends.s3.refusals import CREDENTIALS_CODES, REDIRECTS, Refusal, error_of, refusal_of
from gateway.backends.signing import EMPTY_SHA256, UNSIGNED, Request, Signer, encoded_query, sign
from gateway.clock import Clock
from gateway.config.places import S3Options
from gateway.errors import BackendBroken, BackendUnavailable, CredentialsRefused, GatewayError

Query = Sequence[tuple[str, str]]
Headers = dict[str, str]

_UNSAID_MAX = 3
"""How often one request is sent: once, once for another region, once with other credentials."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. `path` is encoded already; header names are in lower case."""

    method: str
    path: str
    query: Query = ()
    headers: Headers = field(default_factory=dict)
    body: bytes | Upload | None = None
    patience: Patience = Patience.SHORT


@dataclass(frozen=True, slots=True)
class Answer:
    """A success that was read to its end."""

    headers: Mapping[str, str]
    body: bytes


class Wire:
    """Sends requests signed for the region that the bucket is known to be in."""

    def __init__(self, uri: str, options: S3Options, clock: Clock) -> None:
        """Blocks where libraries or certificates must be loaded."""
        self._uri = uri
        self._options = options
        self._clock = clock
        self._region = options.region
        self._http = Http(endpoint_of(options, options.region), options)
        self._credentials = Credentials(options, clock)
        self.place = place_of(uri, options, options.region)

    async def send(self, ask: Ask) -> Response:
        """The head of a success, for the caller to close; raises what the refusal means, and what the body raised."""
        for _ in range(_UNSAID_MAX):
            signer = await self._credentials.current()
            response = await self._sent(ask, signer)
            if response.status < 300:
                return response
            refusal = await self._refusal(ask, response)
            if not await self._mended(ask, refusal, signer):
                raise self._failure(refusal)
        raise CredentialsRefused

    async def fetch(self, ask: Ask) -> Answer:
        """The whole answer; an error document in a success is a failure like any other."""
        response = await self.send(ask)
        status, headers = response.status, response.headers
        body = await document(response)
        if body and documents.error_of(body):
            # Copies and completed uploads say so when the head has long been sent (API reference, CopyObject).
            raise error_of(replace(refusal_of(status, headers, body), status=503))
        return Answer(headers, body)

    async def close(self) -> None:
        """Ends connections and refreshes."""
        await self._credentials.close()
        await self._http.close()

    async def _sent(self, ask: Ask, signer: Signer | None) -> Response:
        place = self.place
        headers = {"host": place.host, "accept-encoding": "identity", **ask.headers}
        if signer is not None:
            if signer.region != self._region:
                signer = replace(signer, region=self._region)
            payload = EMPTY_SHA256 if ask.body is None else UNSIGNED
            headers |= sign(Request(ask.method, ask.path, ask.query, headers, payload), signer, self._clock.now_s())
        if ask.method == "GET" and not ask.query:
            # Bytes of an object.
            return await self._http.get(place.origin, ask.path, headers)
        query = f"?{encoded_query(ask.query)}" if ask.query else ""
        return await self._http.send(ask.method, f"{place.origin}{ask.path}{query}", headers, ask.body, ask.patience)

    async def _refusal(self, ask: Ask, response: Response) -> Refusal:
        body = await document(response)
        refusal = refusal_of(response.status, response.headers, body)
        if ask.method == "HEAD" and refusal.status in (400, 403):
            # The answer to HEAD has no document: only a GET learns whose fault it is.
            return await self._reason(ask, refusal)
        if refusal.status == 416 and refusal.size is None:
            return await self._sized(ask, refusal)
        return refusal

    async def _sized(self, ask: Ask, refusal: Refusal) -> Refusal:
        response = await self.send(Ask("HEAD", ask.path))
        response.close()
        return replace(refusal, size=size_of(response.headers))

    async def _reason(self, ask: Ask, refusal: Refusal) -> Refusal:
        first_byte = replace(ask, method="GET", headers={**ask.headers, "range": "bytes=0-0"})
        response = await self._sent(first_byte, await self._credentials.current())
        if response.status < 300:
            response.close()
            return refusal
        return refusal_of(response.status, response.headers, await document(response))

    async def _mended(self, ask: Ask, refusal: Refusal, signer: Signer | None) -> bool:
        """Whether the same request may succeed now: another region was named, or there are other credentials."""
        if refusal.region and refusal.region != self._region and (refusal.status in REDIRECTS or refusal.status == 400):
            self._move(refusal.region)
        elif refusal.code not in CREDENTIALS_CODES or not await self._credentials.refresh(signer):
            return False
        if isinstance(ask.body, Upload) and ask.body.begun:
            # What has passed by cannot be sent again, but whoever still has it may.
            raise BackendUnavailable
        return True

    def _move(self, region: str) -> None:
        log.info("bucket lies in another region", extra={"uri": self._uri, "region": region})
        self._region = region
        self.place = place_of(self._uri, self._options, region)

    def _failure(self, refusal: Refusal) -> GatewayError:
        if refusal.status in REDIRECTS:
            return BackendBroken("The store behind this bucket sends elsewhere.")
        failure = error_of(refusal)
        if isinstance(failure, CredentialsRefused):
            log.error("store refuses the credentials", extra={"uri": self._uri, "code": refusal.code})
        elif isinstance(failure, BackendBroken):
            log.warning(
                "unexpected answer of a store",
                extra={"uri": self._uri, "status": refusal.status, "code": refusal.code},
            )
        return failure
