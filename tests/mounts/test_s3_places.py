"""Buckets that clients make at an S3 store: real ones, and folders below a prefix."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from uuid import uuid4

import boto3
import pytest

from gateway.backends.base import WriteSpec
from gateway.backends.open import Opener
from gateway.clock import ManualClock
from gateway.config import Config, PlaceConfig
from gateway.config.places import S3Options
from gateway.errors import BackendUnavailable, BucketNotEmpty, BucketTaken
from gateway.metrics import Metrics
from gateway.model import Bucket, Key
from gateway.mounts import Mounts
from gateway.mounts.places import place_for, reachable
from gateway.mounts.rows import BucketRow, row_of
from gateway.settings import Settings
from tests.contract.bodies import Sent
from tests.mounts.test_table import forgotten
from tests.real.servers import Server

SECRET = "a secret that no disk may hold"
OPTIONS = S3Options.model_validate({"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET})


def place(uri: str) -> PlaceConfig:
    return PlaceConfig.model_construct(backend="s3", uri=uri, options=OPTIONS)


@pytest.mark.parametrize(
    ("uri", "made"),
    [
        ("s3://", "s3://mine"),
        ("s3://store/made/", "s3://store/made/mine/"),
        ("s3://store/made", "s3://store/made/mine/"),
        ("s3://store", "s3://store/mine/"),
    ],
)
def test_a_new_bucket_lies_beside_the_others(uri: str, made: str) -> None:
    assert place_for(place(uri), Bucket("mine")).uri == made


def test_what_is_kept_of_a_bucket_holds_no_credentials(tmp_path: Path) -> None:
    value = BucketRow("alice", 1, place_for(place("s3://"), Bucket("mine"))).to_value(tmp_path)
    assert "AKIDEXAMPLE" not in json.dumps(value)
    kept = row_of(value, tmp_path).place
    assert kept is not None
    assert reachable(kept, place("s3://")).options == OPTIONS
    with pytest.raises(BackendUnavailable):
        reachable(kept, None)


def run(directory: Path, server: Server, scenario: Callable[[Mounts], Awaitable[None]]) -> None:
    """One run of the node's mounts."""

    async def whole() -> None:
        config = Config.model_validate({"new_buckets": {"backend": "s3", "uri": "s3://", "options": told(server)}})
        settings = Settings.open(directory, ManualClock())
        opener = Opener(Metrics(), ManualClock(), Random(1))
        mounts = Mounts(config, settings, ManualClock(), opener.open)
        try:
            await mounts.open()
            await scenario(mounts)
        finally:
            await mounts.close()
            settings.close()

    asyncio.run(whole())


def told(server: Server) -> dict[str, str]:
    return {
        "endpoint_url": server.endpoint,
        "access_key_id": server.values["ACCESS_KEY"],
        "secret_access_key": server.values["SECRET_KEY"],
    }


def buckets_at(server: Server) -> set[str]:
    client = boto3.client(
        "s3",
        endpoint_url=server.endpoint,
        aws_access_key_id=server.values["ACCESS_KEY"],
        aws_secret_access_key=server.values["SECRET_KEY"],
        region_name="us-east-1",
    )
    return {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}


@pytest.mark.slow
def test_a_made_bucket_is_one_of_the_store_and_outlives_the_node(tmp_path: Path, moto: Server) -> None:
    name = Bucket(f"made-{uuid4().hex}")

    async def make(mounts: Mounts) -> None:
        mount = await mounts.create(name, "alice")
        await mount.backend.write(Key(b"k"), Sent(b"content"), WriteSpec())

    async def use(mounts: Mounts) -> None:
        mount = mounts.get(name)
        assert (await mount.backend.stat(Key(b"k"))).size == 7
        with pytest.raises(BucketNotEmpty):
            await mounts.delete(name, forgotten)
        await mount.backend.delete(Key(b"k"), None)
        await mounts.delete(name, forgotten)

    run(tmp_path, moto, make)
    assert name in buckets_at(moto)
    run(tmp_path, moto, use)
    assert name not in buckets_at(moto)


@pytest.mark.slow
def test_a_bucket_of_others_at_the_store_is_not_taken(tmp_path: Path, moto: Server) -> None:
    name, empty = Bucket(f"theirs-{uuid4().hex}"), Bucket(f"left-{uuid4().hex}")

    async def make(mounts: Mounts) -> None:
        mount = await mounts.create(name, "alice")
        await mount.backend.write(Key(b"k"), Sent(b"content"), WriteSpec())
        await mounts.create(empty, "alice")

    async def meet(mounts: Mounts) -> None:
        with pytest.raises(BucketTaken):
            await mounts.create(name, "alice")
        # An empty one may be what a crash has left.
        await mounts.create(empty, "alice")

    run(tmp_path / "one", moto, make)
    run(tmp_path / "other", moto, meet)
