"""Reads objects through the gateway's S3 backend alone, without a node: the reference for streams.

`python -m loadtest.direct_reader ENDPOINT BUCKET` takes lines of key and size and answers each with the seconds.
"""

import asyncio
import sys
import time

import uvloop

from gateway.backends.s3 import S3Backend
from gateway.config.places import S3Options
from gateway.model import Key


async def run(endpoint: str, bucket: str) -> None:
    """Answers until the input ends."""
    options = S3Options.model_validate(
        {"endpoint_url": endpoint, "access_key_id": "STUBKEY", "secret_access_key": "secret-that-the-stub-ignores"}
    )
    backend = S3Backend(f"s3://{bucket}/", options)
    while line := await asyncio.to_thread(sys.stdin.readline):
        key, size = line.split()
        print(await _seconds(backend, Key(key.encode()), int(size)), flush=True)
    await backend.close()


async def _seconds(backend: S3Backend, key: Key, size: int) -> float:
    started, got = time.monotonic(), 0
    async with backend.read(key, None, None) as reading:
        async for piece in reading.pieces():
            got += len(piece)
    assert got == size
    return time.monotonic() - started


if __name__ == "__main__":
    uvloop.run(run(*sys.argv[1:]))
