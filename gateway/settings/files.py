"""Files of the data directory: written whole or not at all, for one node only."""

import fcntl
import os
from pathlib import Path

from gateway.errors import ConfigInvalid


def write_whole(path: Path, content: bytes) -> None:
    """Replaces the file, readable by its owner only; on return it survives a loss of power.

    Whatever happens in between, the file is the old one or the new one. Raises OSError.
    """
    temp = path.with_name(path.name + ".temp")
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temp.replace(path)
    _sync_directory(path.parent)


class DirectoryLock:
    """Holds a data directory for this process until closed or dead."""

    def __init__(self, directory: Path) -> None:
        """Makes the directory where it is missing; raises `ConfigInvalid` if it is another's or cannot be used."""
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(directory / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigInvalid([f"node.data_dir {directory} cannot be used: {error.strerror}"]) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            problem = f"node.data_dir {directory} is in use by another node; stop it, or give this one its own"
            raise ConfigInvalid([problem]) from error

    def close(self) -> None:
        os.close(self._descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
