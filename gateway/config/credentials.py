"""The access key of a node without configuration: made once, kept in a file that only its owner reads."""

import os
import secrets
import string
import tomllib
from dataclasses import dataclass
from pathlib import Path

from gateway.config.fields import Secret
from gateway.errors import ConfigInvalid

FILE_NAME = "credentials.toml"
_ID_ALPHABET = string.ascii_uppercase + string.digits
_SECRET_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key's id and secret."""

    key_id: str
    secret: Secret


def read_credentials(path: Path) -> Credentials | None:
    """The credentials in the file, or None where there is no file; raises `ConfigInvalid`."""
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid([f"{path}: not a TOML file; remove it to get new credentials"]) from error
    match table:
        case {"access_key_id": str(key_id), "secret_access_key": str(secret)}:
            return Credentials(key_id, Secret(secret))
        case _:
            raise ConfigInvalid([f"{path}: has no access_key_id and secret_access_key; remove it to get new ones"])


def ensure_credentials(path: Path) -> Credentials:
    """The credentials in the file; makes them, and the directory, where there are none."""
    found = read_credentials(path)
    if found is not None:
        return found
    made = Credentials(
        "FBK" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(17)),
        Secret("".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40))),
    )
    try:
        _write(path, made)
    except OSError as error:
        raise ConfigInvalid([f"{path}: cannot be written: {error.strerror}"]) from error
    # Of two first starts at once one wins, and both go on with its key.
    return read_credentials(path) or made


def _write(path: Path, credentials: Credentials) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{path.name}.{os.getpid()}")
    text = f'access_key_id = "{credentials.key_id}"\nsecret_access_key = "{credentials.secret.reveal()}"\n'
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with open(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temp, path)
        except FileExistsError:
            return
    finally:
        temp.unlink(missing_ok=True)
