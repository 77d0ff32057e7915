"""How the stores of a node are opened: which are steady, and which share what they know of their endpoint."""

import asyncio
import socket
from pathlib import Path
from random import Random

from gateway.backends.open import Opener
from gateway.backends.steady import Steady
from gateway.clock import ManualClock
from gateway.config import MountConfig, PlaceConfig
from gateway.errors import BackendUnavailable
from gateway.metrics import Metrics
from gateway.model import Key
from tests.backends.test_steady import failure
from tests.ground.test_metrics import samples


def unheard() -> str:
    """A place where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as there:
        return f"http://127.0.0.1:{there.getsockname()[1]}"


def place(bucket: str, endpoint: str, key_id: str) -> PlaceConfig:
    options = {"endpoint_url": endpoint, "access_key_id": key_id, "secret_access_key": "12345678"}
    return MountConfig.model_validate({"bucket": bucket, "backend": "s3", "uri": f"s3://{bucket}", "options": options})


def breakers(metrics: Metrics) -> dict[str, float]:
    """Which mounts take their store for down."""
    found = samples(metrics).items()
    return {labels[0][1]: value for (name, labels), value in found if name == "forebay_backend_breaker_open"}


def test_mounts_on_one_store_with_one_identity_share_what_they_know_of_it() -> None:
    async def scenario() -> None:
        metrics = Metrics()
        opener = Opener(metrics, ManualClock(), Random(1))
        endpoint = unheard()
        one, two, other = (
            opener.open(place(bucket, endpoint, key_id), bucket)
            for bucket, key_id in (("one", "me"), ("two", "me"), ("other", "you"))
        )
        async with asyncio.TaskGroup() as tasks:
            for _ in range(20):
                tasks.create_task(failure(one.stat(Key(b"key"))))
        assert breakers(metrics) == {"one": 1, "two": 1, "other": 0}
        assert isinstance(await failure(two.stat(Key(b"key"))), BackendUnavailable)
        for backend in (one, two, other):
            await backend.close()

    asyncio.run(scenario())


def test_stores_of_this_machine_are_opened_bare(tmp_path: Path) -> None:
    opener = Opener(Metrics(), ManualClock(), Random(1))
    for kind, uri in (("memory", ""), ("local", str(tmp_path))):
        backend = opener.open(PlaceConfig.model_validate({"backend": kind, "uri": uri}), "mount")
        assert not isinstance(backend, Steady)
        asyncio.run(backend.close())
