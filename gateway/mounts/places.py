"""The place of a bucket at its backend: the directory or real bucket that comes with it and goes with it."""

import asyncio
import errno
import os
import shutil
from pathlib import Path

from gateway.backends.base import RESERVED
from gateway.config import PlaceConfig
from gateway.config.places import S3_BUCKETS, S3Options
from gateway.errors import AccessRefused, BackendUnavailable, BucketNotEmpty, GatewayError, RootMissing, StorageFull
from gateway.model import Bucket


def place_for(new_buckets: PlaceConfig, bucket: Bucket) -> PlaceConfig:
    """Where a new bucket lies: beside the others, under its own name."""
    match new_buckets.backend:
        case "local":
            uri = str(Path(new_buckets.uri, bucket))
        case "s3" if new_buckets.uri == S3_BUCKETS:
            uri = f"{S3_BUCKETS}{bucket}"
        case "s3":
            uri = f"{new_buckets.uri.rstrip('/')}/{bucket}/"
        case _:
            uri = new_buckets.uri
    return PlaceConfig(backend=new_buckets.backend, uri=uri, options=new_buckets.options)


def reachable(place: PlaceConfig, new_buckets: PlaceConfig | None) -> PlaceConfig:
    """The place as it was kept, with what is never kept: the options of S3 stores, which hold credentials.

    Raises `BackendUnavailable` where the configuration says them no more.
    """
    if place.backend != "s3":
        return place
    if new_buckets is None or new_buckets.backend != "s3":
        raise BackendUnavailable("[new_buckets] does not say any more how to reach the store of this bucket.")
    return place.model_copy(update={"options": new_buckets.options})


async def create(place: PlaceConfig) -> None:
    """Makes the place of a new bucket; `BucketTaken` where the store has such a bucket already."""
    await make(place)
    if _is_real_bucket(place):
        from gateway.backends.s3.buckets import make_bucket  # noqa: PLC0415

        await make_bucket(place.uri, _s3_options(place))


async def make(place: PlaceConfig) -> None:
    """Makes the directory of a local place, if it is missing."""
    if place.backend == "local":
        await asyncio.to_thread(_make_directory, Path(place.uri))


async def require_parent(place: PlaceConfig) -> None:
    """Raises `RootMissing` if the directory around a local place is gone: a disk that is not there, or a move.

    The place itself may be missing, since a crash in the middle of DeleteBucket leaves it so.
    """
    if place.backend == "local" and not await asyncio.to_thread(Path(place.uri).parent.is_dir):
        raise RootMissing


async def remove(place: PlaceConfig) -> None:
    """Removes an empty place; `BucketNotEmpty` if something of others is in it, which then stays."""
    if place.backend == "local":
        await asyncio.to_thread(_remove_directory, Path(place.uri))
    if _is_real_bucket(place):
        from gateway.backends.s3.buckets import remove_bucket  # noqa: PLC0415

        await remove_bucket(place.uri, _s3_options(place))


def _is_real_bucket(place: PlaceConfig) -> bool:
    return place.backend == "s3" and "/" not in place.uri.removeprefix(S3_BUCKETS)


def _s3_options(place: PlaceConfig) -> S3Options:
    assert isinstance(place.options, S3Options)
    return place.options


def _make_directory(path: Path) -> None:
    try:
        if path.is_dir():
            return
        path.mkdir(parents=True, exist_ok=True)
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(parent)
        finally:
            os.close(parent)
    except (FileExistsError, NotADirectoryError) as error:
        raise BackendUnavailable("What lies there is no directory.") from error
    except PermissionError as error:
        raise AccessRefused("The node may not make this directory.") from error
    except OSError as error:
        raise _translated(error) from error


def _remove_directory(path: Path) -> None:
    # Whatever is not ours keeps the directory, also what no listing shows.
    own = path / RESERVED.decode()
    try:
        for entry in path.iterdir():
            if entry.name != own.name:
                _remove_hollow(entry)
        if own.exists():
            shutil.rmtree(own)
        path.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _translated(error) from error


def _remove_hollow(path: Path) -> None:
    """Removes directories that hold nothing but directories: a crash may leave them, and no listing shows them."""
    if path.is_symlink() or not path.is_dir():
        raise BucketNotEmpty
    for folder, _, _ in os.walk(path, topdown=False):
        os.rmdir(folder)


def _translated(error: OSError) -> GatewayError:
    match error.errno:
        case errno.ENOTEMPTY | errno.EEXIST:
            return BucketNotEmpty()
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return AccessRefused()
        case errno.ENOSPC | errno.EDQUOT:
            return StorageFull()
        case _:
            return BackendUnavailable()
