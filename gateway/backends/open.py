"""One place that knows which kind of backend is which class; heavy libraries load when a mount needs them."""

from gateway.backends.base import Backend
from gateway.config.places import BackendOptions, LocalOptions, MemoryOptions, S3Options


def open_backend(kind: str, uri: str, options: BackendOptions) -> Backend:
    """Opens the store that a `[[mount]]` names; raises `BackendUnavailable` where it cannot be opened.

    Blocks for as long as the store's first answers take.
    """
    match kind, options:
        case "memory", MemoryOptions():
            from gateway.backends.memory import MemoryBackend  # noqa: PLC0415

            return MemoryBackend()
        case "local", LocalOptions():
            from gateway.backends.local import LocalBackend  # noqa: PLC0415

            return LocalBackend(uri, options)
        case "s3", S3Options():
            from gateway.backends.s3 import S3Backend  # noqa: PLC0415

            return S3Backend(uri, options)
        case _:
            raise AssertionError(f"the configuration let through {kind} with {type(options).__name__}")
