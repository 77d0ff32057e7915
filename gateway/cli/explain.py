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


def explain(options: Options) -> int:
    """0 if the node could say, 1 if not."""
    try:
        answer = find_node(options).get(f"/api/v1/explain?uri={quote(options.uri, safe='')}")
    except NodeSilent as error:
        print(error, file=sys.stderr)
        return 1
    if not isinstance(answer, dict):
        print("this node's answer cannot be understood", file=sys.stderr)
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
        yield "age", duration_text(age_s) if isinstance(age_s, int | float) else "?"
        yield "size", f"{answer.get('size')} bytes, {answer.get('blocks')} blocks"
        yield "present", _present(answer.get("blocks_present"))
    yield "last miss", _miss(answer.get("last_miss"))


def _policy(policy: Json) -> str:
    if not isinstance(policy, dict):
        return "?"
    return ", ".join(f"{name} {str(value).lower()}" for name, value in policy.items())


def _present(runs: Json) -> str:
    texts = [f"{run[0]}-{run[1]}" if run[0] != run[1] else f"{run[0]}" for run in _pairs(runs)]
    return "blocks " + ", ".join(texts) if texts else "no block"


def _pairs(runs: Json) -> Iterator[tuple[Json, Json]]:
    for run in runs if isinstance(runs, list) else []:
        if isinstance(run, list) and len(run) == 2:
            yield run[0], run[1]


def _miss(miss: Json) -> str:
    if not isinstance(miss, dict):
        return "none that this node remembers"
    at_s = miss.get("at_s")
    ago = f", {duration_text(max(0.0, time.time() - at_s))} ago" if isinstance(at_s, int | float) else ""
    return f"{miss.get('reason')}{ago}"
