"""`forebay evict`, `invalidate`, `pin` and `unpin`: what people tell a node about what it keeps."""

import json
import sys
from urllib.parse import quote

from gateway.cli.node import WRITE, Json, NodeSilent, find_node
from gateway.cli.options import Options
from gateway.cli.status import duration_text


def evict(options: Options) -> int:
    """0 if the node forgot it, 1 if not."""
    return _told(options, "evict", "evicted: the next reads take it from the backend")


def invalidate(options: Options) -> int:
    """0 if the node asks again, 1 if not."""
    return _told(options, "invalidate", "invalidated: the backend is asked before any of it is used again")


def pin(options: Options) -> int:
    """0 if a block is pinned, 1 if none is."""
    life = "" if options.life_s is None else f"&life_s={options.life_s}"
    answer = _ordered(options, "pin", life)
    if answer is None:
        return 1
    if answer.get("done"):
        until = "for good" if options.life_s is None else f"for {duration_text(options.life_s)}"
        _print(options, answer, f"{answer.get('done')} of {answer.get('blocks')} blocks pinned {until}")
        return 0
    print("nothing of it is here: read it first; explain says whether the bucket is cached", file=sys.stderr)
    return 1


def unpin(options: Options) -> int:
    """0 if the node did so, 1 if not."""
    answer = _ordered(options, "unpin")
    if answer is None:
        return 1
    _print(options, answer, f"{answer.get('done')} of {answer.get('blocks')} blocks let go")
    return 0


def _told(options: Options, order: str, sentence: str) -> int:
    answer = _ordered(options, order)
    if answer is None:
        return 1
    _print(options, answer, sentence)
    return 0


def _ordered(options: Options, order: str, more: str = "") -> dict[str, Json] | None:
    """What the node answers; None if it did not do it, which was said."""
    try:
        return find_node(options, WRITE).post(f"/api/v1/{order}?uri={quote(options.uri, safe='')}{more}")
    except NodeSilent as error:
        print(error, file=sys.stderr)
        return None


def _print(options: Options, answer: dict[str, Json], sentence: str) -> None:
    print(json.dumps(answer, indent=2) if options.as_json else f"{answer.get('uri')} {sentence}")
