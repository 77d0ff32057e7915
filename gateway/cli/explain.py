"""`forebay explain`: what the cache holds of one object, and why it does or does not answer from it."""

import json
import sys
import time
from collections.abc import Iterator
from urllib.parse import quote

from gateway.cli.node import Json, NodeSilent, find_node
from gateway.cli.options import Options
from gateway.cli.status import duration_text, table

MEANING = {
    "fresh": "fresh: answers without asking the backend",
    "expired": "expired: the backend is asked first whether it is still this version",
    "unknown": "unknown: the next read asks the backend",
    "bypassed": "bypassed: this bucket is not cached",
}


GATES = {
    "churn": "churn: what is new is kept, what is old gives way",
    "hold": "hold: what is here stays, hardly anything new is kept",
}
NOT_FULL = "there is room: all is kept"


def explain(options: Options) -> int:
    """0 if the node could say, 1 if not."""
    try:
        answer = find_node(options).get(f"/api/v1/explain?uri={quote(options.uri, safe='')}")
    except NodeSilent as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if options.as_json else "\n".join(table(list(_rows(answer)))))
    return 0


def _rows(answer: dict[str, Json]) -> Iterator[tuple[str, str]]:
    yield "object", str(answer.get("uri"))
    yield "backend", f"{answer.get('backend')}  {answer.get('place')}"
    yield "owner", f"{answer.get('owner')}  (replicas: {answer.get('replicas')})"
    yield "policy", _policy(answer.get("policy"))
    yield "info", MEANING.get(str(answer.get("info")), str(answer.get("info")))
    if answer.get("version") is not None:
        age_s = answer.get("age_s")
        yield "version", str(answer.get("version"))
        yield "age", duration_text(age_s) if isinstance(age_s, int | float) else "not trusted: asked before it is used"
        yield "size", f"{answer.get('size')} bytes, blocks: {answer.get('blocks')}"
        yield "present", _present(answer.get("blocks_present"))
        for run in _objects(answer.get("runs")):
            yield "", _run(run)
    policy = answer.get("policy")
    is_auto = isinstance(policy, dict) and policy.get("admission") == "auto"
    for gate in _objects(answer.get("gates")):
        yield "gate", _gate(gate, is_auto=is_auto)
    yield "last miss", _reason(answer.get("last_miss"))
    yield "last refused", _reason(answer.get("last_refusal"))
    for told in ("evicted", "invalidated"):
        at_s = answer.get(f"{told}_s")
        if isinstance(at_s, int):
            yield told, f"{_ago(at_s)} ago"


def _policy(policy: Json) -> str:
    if not isinstance(policy, dict):
        return "?"
    if policy.get("admission") == "bypass":
        return "admission bypass"
    return ", ".join(_term(name, value) for name, value in policy.items())


def _term(name: str, value: Json) -> str:
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{name.removesuffix('_s')} {duration_text(value) if value else 'none'}"
    return f"{name} {str(value).lower()}"


def _present(runs: Json) -> str:
    texts = [f"{run[0]}-{run[1]}" if run[0] != run[1] else f"{run[0]}" for run in _pairs(runs)]
    return ", ".join(texts) if texts else "no block"


def _pairs(runs: Json) -> Iterator[tuple[Json, Json]]:
    for run in runs if isinstance(runs, list) else []:
        if isinstance(run, list) and len(run) == 2:
            yield run[0], run[1]


def _objects(rows: Json) -> Iterator[dict[str, Json]]:
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict):
            yield row


def _run(run: dict[str, Json]) -> str:
    first, last, hits = run.get("first"), run.get("last"), run.get("hits")
    blocks = f"block {first}" if first == last else f"blocks {first}-{last}"
    read = {0: "not read of late", 3: "read 3 times or more"}.get(
        hits if isinstance(hits, int) else -1, f"read {hits}x"
    )
    segment = f"segment {run.get('segment')} ({run.get('state')}) of {run.get('disk')}"
    return f"{blocks}: log {run.get('log')}, {segment}, {read}{_end(run)}"


def _end(run: dict[str, Json]) -> str:
    pinned_s, expires_s = run.get("pinned_until_s"), run.get("expires_s")
    if isinstance(pinned_s, int):
        return f", pinned for {_left(pinned_s)} more" if pinned_s else ", pinned for good"
    return f", expires in {_left(expires_s)}" if isinstance(expires_s, int) else ""


def _gate(gate: dict[str, Json], *, is_auto: bool) -> str:
    mode = GATES.get(str(gate.get("mode")), gate.get("mode")) if gate.get("is_full") else NOT_FULL
    if not is_auto:
        return f"{gate.get('disk')}  {mode}"
    ratios = [
        f"{name} {value:.1%}" for name in ("snapshot", "shadow", "real") if isinstance(value := gate.get(name), float)
    ]
    return f"{gate.get('disk')}  {mode} ({', '.join(ratios)})"


def _reason(reason: Json) -> str:
    if not isinstance(reason, dict):
        return "none that this node remembers"
    at_s = reason.get("at_s")
    ago = f", {_ago(at_s)} ago" if isinstance(at_s, int | float) else ""
    return f"{reason.get('reason')}{ago}"


def _ago(at_s: float) -> str:
    return duration_text(max(0.0, time.time() - at_s))


def _left(until_s: float) -> str:
    return duration_text(max(0.0, until_s - time.time()))
