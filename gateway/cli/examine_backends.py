"""The examinations of `forebay doctor` that ask the stores behind mounts: whether they answer, and to whom."""

import asyncio
import logging
from collections.abc import Iterator

from gateway.backends.base import ListQuery
from gateway.backends.open import open_backend
from gateway.cli.findings import Finding, Health
from gateway.config import Config, PlaceConfig
from gateway.config.places import S3_BUCKETS, S3Options
from gateway.errors import AccessRefused, BackendUnavailable, CredentialsRefused, GatewayError, RootMissing

ANSWER_TIME_MAX_S = 10.0
"""How long a store may take for one page of a listing."""
ASKED_AT_ONCE = 16


def backends(config: Config) -> Iterator[Finding]:
    """Whether each S3 store answers, takes the credentials and has the bucket; and which keys never change."""
    places: list[tuple[str, PlaceConfig]] = [(f"mount {mount.bucket}", mount) for mount in config.mount]
    if config.new_buckets is not None and config.new_buckets.uri != S3_BUCKETS:
        places.append(("new_buckets", config.new_buckets))
    of_s3 = [(subject, place) for subject, place in places if place.backend == "s3"]
    # What a backend logs of its trouble is said by the finding.
    logging.getLogger("gateway").addHandler(logging.NullHandler())
    yield from asyncio.run(_asked(of_s3))
    for subject, place in of_s3:
        yield from _keys(subject, place)


async def _asked(places: list[tuple[str, PlaceConfig]]) -> list[Finding]:
    slots = asyncio.Semaphore(ASKED_AT_ONCE)

    async def found(subject: str, place: PlaceConfig) -> Finding:
        async with slots:
            return await _answer(subject, place)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(found(subject, place)) for subject, place in places]
    return [task.result() for task in tasks]


async def _answer(subject: str, place: PlaceConfig) -> Finding:
    try:
        async with asyncio.timeout(ANSWER_TIME_MAX_S):
            is_empty = await _is_empty(place)
    except TimeoutError:
        finding = f"{place.uri} does not answer within {ANSWER_TIME_MAX_S:g} s"
        return Finding(subject, Health.BAD, finding, _ENDPOINT_ADVICE)
    except GatewayError as error:
        return _trouble(subject, place, error)
    return Finding(subject, Health.GOOD, f"{place.uri} answers{', and has no objects yet' if is_empty else ''}")


async def _is_empty(place: PlaceConfig) -> bool:
    backend = await asyncio.to_thread(open_backend, place.backend, place.uri, place.options)
    try:
        page = await backend.list(ListQuery(limit=1))
        return not page.entries and not page.prefixes
    finally:
        await backend.close()


_ENDPOINT_ADVICE = "Look at endpoint_url, proxy, ca_file and the network between; a node starts all the same."


def _trouble(subject: str, place: PlaceConfig, error: GatewayError) -> Finding:
    match error:
        case CredentialsRefused():
            advice = "Look at keys, profile or role in [mount.options], or at what AWS tools find for the node's user."
            return Finding(subject, Health.BAD, f"the credentials for {place.uri} are missing or refused", advice)
        case RootMissing():
            return Finding(subject, Health.BAD, f"the bucket of {place.uri} does not exist", "Make it, or correct uri.")
        case AccessRefused():
            advice = "Reads of objects may work; listings and the checks of status need s3:ListBucket there."
            return Finding(subject, Health.WARNING, f"{place.uri} may not be listed", advice)
        case BackendUnavailable():
            return Finding(subject, Health.BAD, f"{place.uri} does not answer: {error}", _ENDPOINT_ADVICE)
        case _:
            return Finding(subject, Health.BAD, f"{place.uri}: {error}", "Is endpoint_url the address of an S3 store?")


def _keys(subject: str, place: PlaceConfig) -> Iterator[Finding]:
    options = place.options
    if not isinstance(options, S3Options) or not options.access_key_id:
        return
    finding = f"signs with the static key {options.access_key_id}"
    if options.endpoint_url:
        yield Finding(subject, Health.GOOD, finding)
    else:
        advice = "Keyless is safer at AWS: leave keys out, and the role of the machine, pod or profile is used."
        yield Finding(subject, Health.WARNING, finding, advice)
