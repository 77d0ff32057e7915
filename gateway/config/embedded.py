"""The configuration of a node that was given none."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.config.credentials import FILE_NAME, ensure_credentials
from gateway.config.loading import Source, Toml, build, override_of
from gateway.config.sections import Config
from gateway.model import is_bucket_name

DATA_DIR = Path("forebay-data")
"""Where a node without configuration keeps everything, from the working directory."""


def embedded_default(
    data_dir: Path = DATA_DIR,
    *,
    local: Path | None = None,
    environ: Mapping[str, str] | None = None,
    sets: Sequence[str] = (),
) -> Config:
    """One node on loopback with everything under `data_dir`, and an access key with all rights.

    It serves the bucket `demo`, or instead of it one named after the directory `local`. The key is
    made at the first start and kept. `environ` and `sets` override as they do with a file.
    """
    environ = environ or {}
    data_dir = Path(override_of("node.data_dir", environ, sets) or data_dir).absolute()
    credentials = ensure_credentials(data_dir / FILE_NAME)
    mount: dict[str, Toml] = {"bucket": "demo", "backend": "local", "uri": str(data_dir / "demo"), "admission": "auto"}
    if local is not None:
        mount = {"bucket": bucket_name_of(local), "backend": "local", "uri": str(local.absolute())}
    tables: dict[str, Toml] = {
        "node": {"data_dir": str(data_dir)},
        "store": {"paths": [str(data_dir / "store")]},
        "access_key": [{"id": credentials.key_id, "secret": credentials.secret.reveal(), "policy": ["all"]}],
        "policy": {"all": {"statement": [{"effect": "Allow", "action": ["*", "admin:*"], "resource": ["*"]}]}},
        "new_buckets": {"backend": "local", "uri": str(data_dir / "buckets"), "options": {"keys": "escape"}},
        "mount": [mount],
    }
    return build(Source("built-in configuration", tables), environ, sets)


def bucket_name_of(directory: Path) -> str:
    """A bucket name that resembles the directory's; `local` where none can be made of it."""
    name = re.sub(r"[^a-z0-9]+", "-", directory.absolute().name.lower()).strip("-")[:63].rstrip("-")
    return name if is_bucket_name(name) else "local"
