"""Credentials of S3 stores: where they come from, and that renewing them holds nobody up."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.backends.s3.credentials import AHEAD_S, LATE_S, LOADS_APART_S, Credentials
from gateway.backends.signing import Signer
from gateway.clock import ManualClock
from gateway.config.places import S3Options
from gateway.errors import BackendUnavailable, CredentialsRefused
from tests.backends.scripted import refused, scripted, stored
from tests.contract.bodies import get
from tests.contract.stores import asynchronous
from tests.real.servers import Server

NOWHERE = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
CHAIN_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.fixture(autouse=True)
def _no_credentials_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CHAIN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in NOWHERE.items():
        monkeypatch.setenv(name, value)


@dataclass
class Metadata:
    """A service that hands out credentials for half an hour, when it is up."""

    clock: ManualClock
    up: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False
    handed_out: int = 0
    ends_s: float = 0.0

    async def find(self, _options: S3Options) -> "Metadata":
        return self

    def ends_within(self, seconds: float) -> bool:
        return self.clock.monotonic_s() + seconds >= self.ends_s

    async def signer(self) -> Signer:
        await self.up.wait()
        if self.broken:
            raise BackendUnavailable
        self.handed_out += 1
        self.ends_s = self.clock.monotonic_s() + 1800
        return Signer(f"key-{self.handed_out}", "secret", "us-east-1")


def service() -> tuple[Metadata, Credentials]:
    clock = ManualClock()
    metadata = Metadata(clock)
    metadata.up.set()
    return metadata, Credentials(S3Options(), clock, metadata.find)


async def key_of(credentials: Credentials) -> str:
    signer = await credentials.current()
    assert signer is not None
    return signer.key_id


@asynchronous
async def test_many_first_requests_ask_once() -> None:
    metadata, credentials = service()
    async with asyncio.TaskGroup() as tasks:
        asking = [tasks.create_task(key_of(credentials)) for _ in range(20)]
    assert {task.result() for task in asking} == {"key-1"}
    assert metadata.handed_out == 1


@asynchronous
async def test_a_refresh_ahead_of_the_end_holds_nobody_up() -> None:
    metadata, credentials = service()
    assert await key_of(credentials) == "key-1"
    metadata.clock.advance(1800 - AHEAD_S)
    metadata.up.clear()
    assert [await key_of(credentials) for _ in range(5)] == ["key-1"] * 5
    metadata.up.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert await key_of(credentials) == "key-2"
    await credentials.close()


@asynchronous
async def test_a_failed_refresh_keeps_the_old_until_they_end() -> None:
    metadata, credentials = service()
    await key_of(credentials)
    metadata.broken = True
    for ahead_s in (AHEAD_S, LATE_S + 1):
        metadata.clock.advance(1800 - ahead_s - metadata.clock.monotonic_s())
        assert await key_of(credentials) == "key-1"
        await asyncio.sleep(0)
    metadata.clock.advance(1)
    with pytest.raises(BackendUnavailable):
        await credentials.current()
    metadata.broken = False
    assert await key_of(credentials) == "key-2"
    await credentials.close()


@asynchronous
async def test_a_refusal_looks_anew_but_not_again_and_again() -> None:
    metadata, credentials = service()
    refused_ones = await credentials.current()
    assert not await credentials.refresh(refused_ones)
    metadata.clock.advance(LOADS_APART_S)
    async with asyncio.TaskGroup() as tasks:
        refreshes = [tasks.create_task(credentials.refresh(refused_ones)) for _ in range(5)]
    assert [task.result() for task in refreshes] == [True] * 5
    assert metadata.handed_out == 2


@asynchronous
async def test_closing_ends_a_refresh_in_progress() -> None:
    metadata, credentials = service()
    await key_of(credentials)
    metadata.clock.advance(1800 - AHEAD_S)
    metadata.up.clear()
    await key_of(credentials)
    await credentials.close()
    assert metadata.handed_out == 1


@asynchronous
async def test_refused_credentials_are_looked_up_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "first")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    clock = ManualClock()
    answers = [stored(b"content"), refused(403, "ExpiredToken"), stored(b"content")]
    async with scripted(answers, {}, clock) as (backend, store):
        await get(backend, b"k")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "second")
        clock.advance(LOADS_APART_S)
        assert await get(backend, b"k") == b"content"
        keys = [line for request in store.requests for line in request if "Credential=" in line]
        assert ["first" in line for line in keys] == [True, True, False]


@asynchronous
async def test_a_profile_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    file.write_text("[other]\naws_access_key_id = of-the-profile\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    assert await key_of(Credentials(S3Options(profile="other"), ManualClock())) == "of-the-profile"
    with pytest.raises(CredentialsRefused):
        await Credentials(S3Options(profile="absent"), ManualClock()).current()


@asynchronous
async def test_where_nothing_is_found_nothing_is_sent() -> None:
    async with scripted([], {}) as (backend, store):
        with pytest.raises(CredentialsRefused):
            await get(backend, b"k")
        assert store.requests == []


@pytest.mark.slow
@pytest.mark.parametrize("with_token", [False, True])
@asynchronous
async def test_a_role_is_assumed(
    moto: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, with_token: bool
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    (tmp_path / "token").write_text("a token")
    source = (
        {"web_identity_token_file": str(tmp_path / "token")}
        if with_token
        else {
            "access_key_id": "testkey",
            "secret_access_key": "testsecret",
            "external_id": "an-external-id",
        }
    )
    options = S3Options.model_validate({"role_arn": "arn:aws:iam::123456789012:role/reader", **source})
    signer = await Credentials(options, ManualClock()).current()
    assert signer is not None
    assert signer.session_token
    assert signer.key_id != "testkey"
