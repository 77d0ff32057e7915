"""Health, metrics, status, and who may ask for them."""

import shutil
from pathlib import Path

import pytest

from gateway.model import Bucket
from tests.admin.node import TOKEN, AdminNode, on_node

STATUS = "/api/v1/status"
BEARER = {"authorization": f"Bearer {TOKEN}"}
BEYOND_LOOPBACK = {"listen": {"admin": "0.0.0.0:9001"}}


def test_health_and_readiness_are_open_and_say_why_not(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        assert (await node.get("/healthz")).text == "ok\n"
        assert (await node.get("/readyz")).status_code == 200
        node.not_ready = "stopping"
        answer = await node.get("/readyz")
        assert (answer.status_code, answer.text) == (503, "stopping\n")
        assert (await node.get("/healthz")).status_code == 200

    on_node(tmp_path, scenario)


def test_the_bearer_token_opens_the_status(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        assert (await node.get(STATUS, BEARER)).status_code == 200

    on_node(tmp_path, scenario)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", TOKEN[:-1], TOKEN.upper()])
def test_a_wrong_token_opens_nothing(tmp_path: Path, token: str) -> None:
    async def scenario(node: AdminNode) -> None:
        answer = await node.get(STATUS, {"authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert TOKEN not in answer.text

    on_node(tmp_path, scenario)


def test_without_a_configured_token_no_token_opens_anything(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        for given in ("Bearer ", "Bearer x"):
            assert (await node.get(STATUS, {"authorization": given})).status_code == 401

    on_node(tmp_path, scenario, {"admin": {}})


@pytest.mark.parametrize("key_id", ["admin", "reader"])
def test_a_key_whose_policy_names_admin_rights_opens_the_status(tmp_path: Path, key_id: str) -> None:
    async def scenario(node: AdminNode) -> None:
        assert (await node.get(STATUS, node.signed(key_id, STATUS))).status_code == 200

    on_node(tmp_path, scenario)


def test_the_right_to_everything_is_not_the_right_to_the_node(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        answer = await node.get(STATUS, node.signed("everything-but-admin", STATUS))
        assert (answer.status_code, answer.json()["code"]) == (403, "AccessDenied")

    on_node(tmp_path, scenario)


def test_a_request_without_proof_is_asked_for_one(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        assert (await node.get(STATUS)).status_code == 401

    on_node(tmp_path, scenario)


def test_an_anonymous_policy_opens_nothing_here(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        assert (await node.get(STATUS)).status_code == 401

    statement = {"effect": "Allow", "action": ["*", "admin:*"], "resource": "*"}
    on_node(tmp_path, scenario, {"access_key": [], "policy": {"anonymous": {"statement": [statement]}}})


def test_a_signature_counts_for_its_own_path_and_time_only(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        elsewhere = node.signed("admin", "/api/v1/other")
        wrong = node.signed("admin", STATUS, secret="another-secret")
        unknown = node.signed("nobody", STATUS)
        old = node.signed("admin", STATUS)
        answers = {
            "SignatureDoesNotMatch": [await node.get(STATUS, elsewhere), await node.get(STATUS, wrong)],
            "InvalidAccessKeyId": [await node.get(STATUS, unknown)],
        }
        node.clock.advance(3600)
        answers["RequestTimeTooSkewed"] = [await node.get(STATUS, old)]
        for code, refused in answers.items():
            assert [(answer.status_code, answer.json()["code"]) for answer in refused] == [(403, code)] * len(refused)

    on_node(tmp_path, scenario)


def test_an_authorization_that_cannot_be_read_is_a_bad_request(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        for text in ("Basic YTpi", "AWS4-HMAC-SHA256 nonsense", "AWS admin:c2ln"):
            assert (await node.get(STATUS, {"authorization": text})).status_code == 400

    on_node(tmp_path, scenario)


def test_metrics_are_open_on_loopback(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        answer = await node.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "forebay_build_info" in answer.text

    on_node(tmp_path, scenario)


def test_metrics_beyond_loopback_need_the_token_unless_they_are_open(tmp_path: Path) -> None:
    async def closed(node: AdminNode) -> None:
        assert (await node.get("/metrics")).status_code == 401
        assert (await node.get("/metrics", BEARER)).status_code == 200

    async def opened(node: AdminNode) -> None:
        assert (await node.get("/metrics")).status_code == 200

    on_node(tmp_path / "closed", closed, BEYOND_LOOPBACK)
    on_node(tmp_path / "open", opened, {**BEYOND_LOOPBACK, "admin": {"metrics": "open"}})


def test_the_status_tells_the_node_and_its_buckets(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        node.clock.advance(12.5)
        node.metrics.s3_requests_in_progress.inc()
        await node.mounts.create(Bucket("made"), "alice")
        status = (await node.get(STATUS, BEARER)).json()
        assert (status["node"], status["state"], status["uptime_s"]) == ("node-1", "ready", 12.5)
        assert status["requests_in_progress"] == 1
        assert status["listen"] == {"s3": "127.0.0.1:9000", "admin": "127.0.0.1:9001", "tls": False, "domain": ""}
        assert [(mount["bucket"], mount["origin"], mount["reachable"]) for mount in status["mounts"]] == [
            ("demo", "file", True),
            ("made", "made", True),
        ]
        assert "kept in memory" in status["warnings"][0]
        node.not_ready = "stopping"
        assert (await node.get(STATUS, BEARER)).json()["state"] == "stopping"

    on_node(tmp_path, scenario, {"new_buckets": {"backend": "memory"}})


def test_the_status_tells_how_full_the_store_is_and_what_buckets_do_with_it(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        status = (await node.get(STATUS, BEARER)).json()
        store = status["store"]
        assert store["capacity_bytes"] == 10 * 1024**3
        assert 0 <= store["live_bytes"] <= store["used_bytes"] <= store["capacity_bytes"]
        assert store["paths"]
        policies = [(mount["policy"]["admission"], mount["policy"]["freshness"]) for mount in status["mounts"]]
        assert policies == [("auto", "immutable"), ("bypass", "5m")]

    cached = {"bucket": "cached", "backend": "memory", "admission": "auto", "freshness": "immutable"}
    on_node(tmp_path, scenario, {"mount": [{"bucket": "demo", "backend": "memory"}, cached]})


def test_a_mount_whose_place_is_gone_is_told_with_its_reason(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        shutil.rmtree(tmp_path / "place")
        [mount] = (await node.get(STATUS, BEARER)).json()["mounts"]
        assert mount["reachable"] is False
        assert mount["problem"]

    place = {"bucket": "demo", "backend": "local", "uri": str(tmp_path / "place")}
    on_node(tmp_path / "data", scenario, {"mount": [place]})


def test_no_answer_holds_a_secret(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        for path in (STATUS, "/metrics", "/api/docs", "/api/openapi.json"):
            text = (await node.get(path, BEARER)).text
            assert TOKEN not in text
            assert "secret-of-every-key" not in text

    on_node(tmp_path, scenario)


def test_the_list_of_operations_is_whole_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    async def scenario(node: AdminNode) -> None:
        document = (await node.get("/api/openapi.json")).json()
        page = (await node.get("/api/docs")).text
        assert STATUS in document["paths"]
        assert all(path in page for path in document["paths"])
        assert "http" not in page
        assert "<script" not in page

    on_node(tmp_path, scenario)
