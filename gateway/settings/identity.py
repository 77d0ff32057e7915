"""Who this node is: an id and a sealing key, made at the first start and kept."""

import json
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import ConfigInvalid
from gateway.settings.files import write_whole

FILE_NAME = "node.json"
NODE_ID_SIZE = 16
SEALING_KEY_SIZE = 32


@dataclass(frozen=True, slots=True)
class Identity:
    """`node_id` is 32 hex digits; `sealing_key` is a secret of 32 bytes."""

    node_id: str
    sealing_key: bytes = field(repr=False)


def ensure_identity(data_dir: Path) -> Identity:
    """The identity kept in `data_dir`, made there at the first start; raises `ConfigInvalid`."""
    path = data_dir / FILE_NAME
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return _made(path)
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be read: {error.strerror}"]) from error
    try:
        return _parsed(content)
    except ValueError as error:
        problem = f"{path}: damaged; restore it from a backup (removing it loses open uploads)"
        raise ConfigInvalid([problem]) from error


def _parsed(content: bytes) -> Identity:
    match json.loads(content):
        case {"node_id": str(node_id), "sealing_key": str(sealing_key)}:
            identity = Identity(node_id, bytes.fromhex(sealing_key))
        case _:
            raise ValueError("a field is missing")
    if len(bytes.fromhex(node_id)) != NODE_ID_SIZE or len(identity.sealing_key) != SEALING_KEY_SIZE:
        raise ValueError("a field has the wrong length")
    return identity


def _made(path: Path) -> Identity:
    identity = Identity(secrets.token_hex(NODE_ID_SIZE), secrets.token_bytes(SEALING_KEY_SIZE))
    content = {"node_id": identity.node_id, "sealing_key": identity.sealing_key.hex()}
    try:
        write_whole(path, json.dumps(content, indent=2).encode() + b"\n")
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be written: {error.strerror}"]) from error
    return identity
