"""`forebay status`: a running node and its buckets, for people or for programs."""

import json
import sys
import time
from collections.abc import Iterator, Sequence

from gateway.cli.node import Json, NodeSilent, find_node
from gateway.cli.options import Options


def status(options: Options) -> int:
    """0 while the node serves, 1 when it does not or cannot be asked."""
    try:
        answer = find_node(options).get("/api/v1/status")
    except NodeSilent as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if options.as_json else "\n".join(_lines(answer)))
    return 0 if answer.get("state") == "ready" else 1


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows with their columns aligned."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def duration_text(seconds: float) -> str:
    """A duration in its two largest units, `3 d 4 h`."""
    left = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"


def size_text(size: int) -> str:
    """A number of bytes in the largest unit that it fills, `1.5 GiB`."""
    for unit, of in (("TiB", 1024**4), ("GiB", 1024**3), ("MiB", 1024**2), ("KiB", 1024)):
        if size >= of:
            return f"{size / of:.1f} {unit}"
    return f"{size} B"


def _lines(answer: dict[str, Json]) -> Iterator[str]:
    listen = answer.get("listen")
    listen = listen if isinstance(listen, dict) else {}
    uptime_s = answer.get("uptime_s")
    since = duration_text(uptime_s) if isinstance(uptime_s, int | float) else "?"
    yield from table(
        [
            ("node", f"{answer.get('node')}  (forebay {answer.get('version')})"),
            ("state", f"{answer.get('state')}, up {since}"),
            ("s3", f"{listen.get('s3')}{' with TLS' if listen.get('tls') else ''}"),
            ("admin", str(listen.get("admin"))),
            ("requests", f"{answer.get('requests_in_progress')} in progress"),
            *_store(answer.get("store")),
        ]
    )
    yield ""
    yield from table([("BUCKET", "BACKEND", "PLACE", "WRITES", "CACHE", "STATE"), *_mounts(answer.get("mounts"))])
    warnings = answer.get("warnings")
    for warning in warnings if isinstance(warnings, list) else []:
        yield f"warning: {warning}"


def _store(store: Json) -> Iterator[tuple[str, str]]:
    if not isinstance(store, dict):
        return
    sizes, pools = _sizes(store), _sizes(store.get("pools"))
    yield "store", f"{sizes['used_bytes']} used of {sizes['capacity_bytes']}, {store.get('segments')} segments"
    yield (
        "",
        f"{sizes['live_bytes']} can be found: {pools['pinned']} pinned, {pools['main']} main (read again), "
        f"{pools['small']} small (new); {sizes['index_bytes']} index",
    )
    yield (
        "",
        f"since the start: {sizes['kept_bytes_total']} kept, {sizes['moved_bytes_total']} moved, "
        f"{sizes['evicted_bytes_total']} evicted, {store.get('refused_total')} blocks refused, "
        f"{store.get('damaged_total')} damaged",
    )
    paths, disks = store.get("paths"), store.get("disks")
    if isinstance(paths, list) and isinstance(disks, list):
        for path, disk in zip(paths, disks, strict=False):
            yield "", f"{path}  {_disk(disk)}"


def _sizes(counts: Json) -> dict[str, str]:
    counts = counts if isinstance(counts, dict) else {}
    return {name: size_text(value) for name, value in counts.items() if isinstance(value, int)}


def _disk(disk: Json) -> str:
    if not isinstance(disk, dict):
        return "?"
    gate = f"full, gate {disk.get('gate')}" if disk.get("is_full") else "not full"
    return f"{disk.get('state')}, {gate}, {_verified(disk.get('scrubbed_s'), disk.get('scrub_progress'))}"


def _verified(scrubbed_s: Json, progress: Json) -> str:
    if isinstance(progress, float) and progress:
        return f"{progress:.0%} verified by now"
    if isinstance(scrubbed_s, int) and scrubbed_s:
        return f"verified {duration_text(max(0.0, time.time() - scrubbed_s))} ago"
    return "not verified yet"


def _cache(policy: Json) -> str:
    if not isinstance(policy, dict):
        return "?"
    admission = str(policy.get("admission"))
    return admission if admission == "bypass" else f"{admission}, {policy.get('freshness')}"


def _mounts(mounts: Json) -> Iterator[tuple[str, ...]]:
    for mount in mounts if isinstance(mounts, list) else []:
        assert isinstance(mount, dict)
        yield (
            str(mount.get("bucket")),
            str(mount.get("backend")),
            str(mount.get("uri")),
            "through" if mount.get("writable") else "deny",
            _cache(mount.get("policy")),
            "good" if mount.get("reachable") else str(mount.get("problem")),
        )
