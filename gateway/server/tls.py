"""TLS for the doors: one context per node, which takes up a renewed certificate without a restart."""

import asyncio
import logging
import ssl
from pathlib import Path

from gateway.errors import ConfigInvalid

RELOAD_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Certificate:
    """A certificate with its key, and the server context made of them."""

    def __init__(self, cert: Path, key: Path) -> None:
        """Raises `ConfigInvalid` if the files cannot be read or do not fit together."""
        self._cert = cert
        self._key = key
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        for name, path in (("tls_cert", cert), ("tls_key", key)):
            _require_readable(f"listen.{name}", path)
        try:
            self._seen = self._stamp()
            self.context.load_cert_chain(cert, key)
        except OSError as error:  # ssl.SSLError is one
            problem = f"listen.tls_cert: {cert} and {key} are no PEM files of one pair: {error}"
            raise ConfigInvalid([problem]) from error

    async def keep_fresh(self) -> None:
        """Loads the files again whenever they changed; runs until cancelled. New connections get the new ones."""
        while True:
            await asyncio.sleep(RELOAD_EVERY_S)
            self.reload_if_changed()

    def reload_if_changed(self) -> bool:
        """Whether the files had changed and were loaded. Unusable files leave the old certificate in place."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return False
            self.context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            # The pair may be half replaced just now; the next look will tell.
            log.warning("certificate cannot be reloaded", extra={"path": str(self._cert), "error": str(error)})
            return False
        self._seen = stamp
        log.info("certificate reloaded", extra={"path": str(self._cert)})
        return True

    def _stamp(self) -> tuple[int, ...]:
        cert, key = self._cert.stat(), self._key.stat()
        return (cert.st_mtime_ns, cert.st_ino, key.st_mtime_ns, key.st_ino)


def _require_readable(setting: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigInvalid([f"{setting}: {path}: cannot be read: {error.strerror}"]) from error
