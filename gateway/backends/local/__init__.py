"""Objects as files of a directory tree, which other programs may use too."""

from gateway.backends.local.backend import LocalBackend

__all__ = ["LocalBackend"]
