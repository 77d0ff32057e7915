"""Orders to the cache over the admin API, and what explain tells of them."""

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.backends.base import WriteSpec
from gateway.cache import Demand, Want
from gateway.model import Bucket, Key, Span
from tests.admin.node import TOKEN, AdminNode, on_node
from tests.contract.bodies import Sent
from tests.store.small import until

BEARER = {"authorization": f"Bearer {TOKEN}"}
BUCKET = Bucket("demo")
KEY = Key(b"a/k")
OBJECT = {"uri": "s3://demo/a/k"}
CACHED: Mapping[str, object] = {
    "mount": [{"bucket": "demo", "backend": "memory", "admission": "churn", "freshness": "immutable", "ttl": "1h"}]
}
ORDERS = pytest.mark.parametrize("order", ["evict", "invalidate", "pin", "unpin"])


async def read(node: AdminNode, size: int = 1000) -> None:
    """An object that comes to the cache by being read."""
    mount = node.mounts.get(BUCKET)
    await mount.backend.write(KEY, Sent(b"x" * size), WriteSpec())
    view = await node.cache.open(mount, KEY, Want(demand=Demand.NORMAL))
    async for _ in view.pieces(Span(0, size), whole=True):
        pass
    await view.close()
    await until(lambda: node.cache.store.usage().live_bytes == size)


async def explained(node: AdminNode) -> dict[str, object]:
    answer = await node.client.get("/api/v1/explain", params=OBJECT, headers=BEARER)
    told: dict[str, object] = answer.json()
    return told


@ORDERS
def test_an_order_needs_the_right_to_change(tmp_path: Path, order: str) -> None:
    async def scenario(node: AdminNode) -> None:
        path = f"/api/v1/{order}"
        assert (await node.post(path, OBJECT, {})).status_code == 401
        for key_id, status in (("reader", 403), ("everything-but-admin", 403), ("admin", 200)):
            signed = node.signed(key_id, path, method="POST", query=OBJECT)
            assert (await node.post(path, OBJECT, signed)).status_code == status
        as_read = node.signed("admin", path, query=OBJECT)
        assert (await node.post(path, OBJECT, as_read)).status_code == 403, "a signature counts for its method"

    on_node(tmp_path, scenario, CACHED)


@ORDERS
def test_an_order_about_nothing_is_refused(tmp_path: Path, order: str) -> None:
    async def scenario(node: AdminNode) -> None:
        path = f"/api/v1/{order}"
        endless = "s3://demo/" + "k" * 1025
        for uri, status in (("demo/a", 400), ("s3://", 400), ("s3:///k", 400), (endless, 400), ("s3://nowhere/k", 404)):
            assert (await node.post(path, {"uri": uri}, BEARER)).status_code == status
        assert (await node.post(path, {}, BEARER)).status_code == 422

    on_node(tmp_path, scenario, CACHED)


@ORDERS
def test_who_gave_an_order_is_logged(tmp_path: Path, order: str, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(node: AdminNode) -> None:
        await node.post(f"/api/v1/{order}", OBJECT, BEARER)
        await node.post(
            f"/api/v1/{order}", OBJECT, node.signed("admin", f"/api/v1/{order}", method="POST", query=OBJECT)
        )

    with caplog.at_level(logging.INFO, "gateway.admin"):
        on_node(tmp_path, scenario, CACHED)
    given = [vars(record) for record in caplog.records if record.name == "gateway.admin.orders"]
    assert [each["by"] for each in given] == ["token", "admin"]
    assert all(each["bucket"] == "demo" for each in given)
    assert TOKEN not in caplog.text


def test_what_was_evicted_is_not_known_and_explain_says_since_when(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        await read(node)
        assert (await explained(node))["info"] == "fresh"
        answer = await node.post("/api/v1/evict", {"uri": "s3://demo/a/"}, BEARER)
        assert answer.json() == {"uri": "s3://demo/a/", "bucket": "demo", "prefix": "a/"}
        told = await explained(node)
        assert (told["info"], told["runs"], told["evicted_s"]) == ("unknown", [], int(node.clock.now_s()))

    on_node(tmp_path, scenario, CACHED)


def test_what_was_invalidated_is_asked_first_and_its_blocks_stay(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        await read(node)
        await node.post("/api/v1/invalidate", {"uri": "s3://demo"}, BEARER)
        told = await explained(node)
        assert (told["info"], told["age_s"], told["blocks_present"]) == ("expired", None, [[0, 0]])
        assert told["invalidated_s"] == int(node.clock.now_s())

    on_node(tmp_path, scenario, CACHED)


def test_explain_tells_where_a_block_lies_and_how_long_it_stays(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        await read(node)
        told = await explained(node)
        [run] = list_of(told["runs"])
        assert (run["first"], run["last"], run["log"], run["hits"]) == (0, 0, "small", 0)
        assert (run["pinned_until_s"], run["expires_s"]) == (None, int(node.clock.now_s()) + 3600)
        ratios = {"snapshot": 0.0, "shadow": 0.0, "real": 0.0}
        assert told["gates"] == [{"disk": run["disk"], "mode": "churn", "is_full": False, **ratios}]
        assert told["policy"]["admission"] == "churn"  # type: ignore[index]  # JSON
        assert told["last_miss"]["reason"] == "never seen"  # type: ignore[index]  # JSON
        assert told["last_refusal"] is None

    on_node(tmp_path, scenario, CACHED)


def test_a_pin_holds_until_its_time_and_an_unpin_ends_it(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        await read(node, 3 * 1024 * 1024)
        until_s = int(node.clock.now_s()) + 60
        answer = (await node.post("/api/v1/pin", {**OBJECT, "life_s": "60"}, BEARER)).json()
        assert answer == {**OBJECT, "blocks": 3, "done": 3, "until_s": until_s}
        assert {run["pinned_until_s"] for run in list_of((await explained(node))["runs"])} == {until_s}
        assert (await node.post("/api/v1/pin", OBJECT, BEARER)).json()["until_s"] == 0
        assert {run["pinned_until_s"] for run in list_of((await explained(node))["runs"])} == {0}
        answer = (await node.post("/api/v1/unpin", OBJECT, BEARER)).json()
        assert answer == {**OBJECT, "blocks": 3, "done": 3, "until_s": None}
        assert (await node.post("/api/v1/unpin", OBJECT, BEARER)).json()["done"] == 0

    on_node(tmp_path, scenario, CACHED)


def test_what_is_not_here_cannot_be_pinned(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        answer = await node.post("/api/v1/pin", OBJECT, BEARER)
        assert (answer.status_code, answer.json()["done"], answer.json()["blocks"]) == (200, 0, 0)
        assert (await node.post("/api/v1/pin", {**OBJECT, "life_s": "-1"}, BEARER)).status_code == 422

    on_node(tmp_path, scenario, CACHED)


def test_pins_above_their_bound_are_refused_and_leave_nothing_pinned(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        await read(node)
        answer = await node.post("/api/v1/pin", OBJECT, BEARER)
        assert (answer.status_code, answer.json()["code"]) == (409, "PinsFull")
        assert {run["pinned_until_s"] for run in list_of((await explained(node))["runs"])} == {None}

    on_node(tmp_path, scenario, {**CACHED, "store": {"pin_max": 0}})


def list_of(runs: object) -> list[dict[str, object]]:
    assert isinstance(runs, list)
    return runs
