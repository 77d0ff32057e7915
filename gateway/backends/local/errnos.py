"""What the operating system's errors mean to a client."""

import errno

from gateway.errors import (
    AccessRefused,
    BackendUnavailable,
    Conflict,
    GatewayError,
    KeyUnusable,
    ObjectMissing,
    ObjectTooLarge,
    SlowDown,
    StorageFull,
)

_MEANINGS: dict[int, type[GatewayError]] = {
    errno.ENOENT: ObjectMissing,
    errno.ENOTDIR: KeyUnusable,
    errno.EISDIR: KeyUnusable,
    errno.ENAMETOOLONG: KeyUnusable,
    errno.EILSEQ: KeyUnusable,
    errno.ELOOP: KeyUnusable,
    errno.EACCES: AccessRefused,
    errno.EPERM: AccessRefused,
    errno.EROFS: AccessRefused,
    errno.ENOSPC: StorageFull,
    errno.EDQUOT: StorageFull,
    errno.EMFILE: SlowDown,
    errno.ENFILE: SlowDown,
    errno.EBUSY: Conflict,
    errno.ETXTBSY: Conflict,
    errno.EFBIG: ObjectTooLarge,
}


def meaning(error: OSError) -> GatewayError:
    """The failure to raise in place of `error`; its text and paths stay inside."""
    return _MEANINGS.get(error.errno or 0, BackendUnavailable)()
