"""What no single field can tell: names that must agree, and what works but should not stay so."""

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from gateway.config.actions import is_asked_for, nearest
from gateway.config.lines import Path as KeyPath
from gateway.config.places import S3_BUCKETS, PlaceConfig, S3Options
from gateway.config.policies import ANONYMOUS_POLICY
from gateway.config.sections import Config


def problems_of(config: Config) -> Iterator[tuple[KeyPath, str]]:
    """What keeps a configuration of valid fields from being used: the key's path and a sentence."""
    ids: set[str] = set()
    for index, key in enumerate(config.access_key):
        if key.id in ids:
            yield ("access_key", index, "id"), "another access key has this id"
        ids.add(key.id)
        for name in key.policy:
            if name not in config.policy:
                yield ("access_key", index, "policy"), f"there is no [policy.{name}]"
    buckets: set[str] = set()
    for index, mount in enumerate(config.mount):
        if mount.bucket in buckets:
            yield ("mount", index, "bucket"), "another mount has this bucket"
        buckets.add(mount.bucket)
        for name, limit in (("request_rate", mount.request_rate), ("bandwidth", mount.bandwidth)):
            if limit and mount.backend != "s3":
                yield ("mount", index, name), f"limits stores over a network, and {mount.backend} is none"
    if config.listen.s3 == config.listen.admin and config.listen.s3.port:
        yield ("listen", "admin"), "is the address of listen.s3 too"
    for path, other in combinations(config.store.paths, 2):
        if _overlap(path, other):
            yield ("store", "paths"), f"{path} and {other} overlap: each disk has a directory of its own"
    for path in config.store.paths:
        if path.resolve() == config.node.data_dir.resolve():
            yield ("store", "paths"), f"{path} is node.data_dir too: give the store a directory below it, or elsewhere"


def warnings_of(config: Config) -> list[str]:
    """Warnings: what works, but surprises; one sentence each."""
    return [*_places(config), *_s3_places(config), *_doors(config), *_actions(config)]


def local_places(config: Config) -> list[tuple[str, Path]]:
    """The directories that buckets lie in, each behind the name of what puts them there."""
    roots = [(f"mount {mount.bucket}", Path(mount.uri)) for mount in config.mount if mount.backend == "local"]
    if config.new_buckets is not None and config.new_buckets.backend == "local":
        roots.append(("new_buckets", Path(config.new_buckets.uri)))
    return roots


def _places(config: Config) -> Iterator[str]:
    roots = local_places(config)
    for (name, root), (other, other_root) in combinations(roots, 2):
        if _overlap(root, other_root):
            yield f"{name} and {other} overlap: each sees and changes the objects of the other"
    data_dir = config.node.data_dir
    for name, root in roots:
        if _lies_in(data_dir, root):
            yield f"{name} contains node.data_dir: who may read that bucket can read the node's secrets"
        for path in config.store.paths:
            # What lies in node.data_dir is warned of with all of it.
            if _overlap(path, root) and not _lies_in(data_dir, root):
                yield f"store path {path} and {name} overlap: clients see the store's files, and may write over them"
    for mount in config.mount:
        if mount.backend == "s3" and "/" in mount.uri.removeprefix(S3_BUCKETS) and not mount.uri.endswith("/"):
            yield f"mount {mount.bucket}: the prefix in its uri does not end in /, so names begin with it as they are"
        if mount.admission == "bypass" and mount.ttl is not None:
            yield f"mount {mount.bucket}: ttl means nothing where admission is bypass: no bytes are kept"
        if mount.backend == "memory":
            yield f"mount {mount.bucket} is kept in memory: its objects are gone when the node stops"


def _s3_places(config: Config) -> Iterator[str]:
    places: list[tuple[str, PlaceConfig]] = [(f"mount {mount.bucket}", mount) for mount in config.mount]
    # What `s3://` alone makes are buckets that the store did not have before.
    if config.new_buckets is not None and config.new_buckets.uri != S3_BUCKETS:
        places.append(("new_buckets", config.new_buckets))
    named = [(name, _s3_root(place)) for name, place in places if place.backend == "s3"]
    for (name, root), (other, other_root) in combinations(named, 2):
        if root.startswith(other_root) or other_root.startswith(root):
            yield (
                f"{name} and {other} overlap at the store: what is written through one, "
                "the other sees when its freshness is over"
            )


def _s3_root(place: PlaceConfig) -> str:
    """How the names of all objects of an S3 place begin, its store included."""
    assert isinstance(place.options, S3Options)
    bucket, _, prefix = place.uri.removeprefix(S3_BUCKETS).partition("/")
    return f"{place.options.endpoint_url.lower()} {bucket}/{prefix}"


def _doors(config: Config) -> Iterator[str]:
    if not config.access_key and ANONYMOUS_POLICY not in config.policy:
        yield "there is neither an [[access_key]] nor a policy `anonymous`: nobody can use the S3 port"
    if config.listen.tls_cert is None and not config.listen.admin.is_loopback:
        yield "listen.admin is reachable from other hosts without TLS: tokens and answers can be read on the way"
    if config.admin.metrics == "open" and not config.listen.admin.is_loopback:
        yield "admin.metrics is open beyond this host"


def _actions(config: Config) -> Iterator[str]:
    for name, policy in config.policy.items():
        named = {action for statement in policy.statement for action in (*statement.action, *statement.not_action)}
        for action in sorted(named):
            if not is_asked_for(action):
                meant = nearest(action)
                hint = f"; did you mean {meant}?" if meant else ""
                yield f"policy {name}: nothing here ever asks for {action}{hint}"


def _overlap(one: Path, other: Path) -> bool:
    return _lies_in(one, other) or _lies_in(other, one)


def _lies_in(inner: Path, outer: Path) -> bool:
    return inner.resolve().is_relative_to(outer.resolve())
