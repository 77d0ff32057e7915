"""Free ports on loopback."""

import random
import socket


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on right now, below the range the kernel hands out itself.

    Somebody else may take one before it is used: start again with others then.
    """
    # Chance must differ between test runs on one machine, so it is not seeded.
    candidates = random.sample(range(20_000, 32_000), 200)
    found: list[int] = []
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports on loopback")
