"""What proxies in front of us say about a request, believed only from those we trust."""

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from gateway.s3.head import Head
from gateway.s3.target import virtual_bucket

Networks = tuple[IPv4Network | IPv6Network, ...]

_PORTS = {"http": b":80", "https": b":443"}


def scheme_of(head: Head, trusted: Networks) -> str:
    """ "http" or "https": what the client spoke, to us or to a trusted proxy."""
    if not _from_proxy(head, trusted):
        return head.scheme
    said = _first_of_list(head.first(b"x-forwarded-proto")).lower()
    return said.decode() if said in (b"http", b"https") else head.scheme


def client_address(head: Head, trusted: Networks) -> str:
    """The client's address: the TCP peer, or behind trusted proxies the nearest address that is none of them."""
    if not _from_proxy(head, trusted):
        return head.peer
    nearest = head.peer
    for entry in reversed((head.text(b"x-forwarded-for") or "").split(",")):
        address = _address(entry.strip())
        if address is None:
            # What stands left of an unreadable entry is hearsay.
            return nearest
        nearest = str(address)
        if not _is_within(nearest, trusted):
            return nearest
    return nearest


def hosts_signed(head: Head, host: bytes, trusted: Networks, domain: str) -> Iterator[bytes]:
    """The values of `host` a signer may have used, the likeliest first; at most four.

    `host` is the authority as received, `domain` the parent of virtual hosts.
    """
    yield host
    port = _PORTS.get(scheme_of(head, trusted), b"")
    yield host.removesuffix(port) if port and host.endswith(port) else host + port
    if _from_proxy(head, trusted):
        forwarded = _first_of_list(head.first(b"x-forwarded-host"))
        # Proxies pass on what a client says of itself: what was signed for one bucket must not open another.
        if forwarded and virtual_bucket(forwarded, domain) == virtual_bucket(host, domain):
            yield forwarded
            forwarded_port = _first_of_list(head.first(b"x-forwarded-port"))
            if forwarded_port:
                yield b"%b:%b" % (forwarded, forwarded_port)


def _from_proxy(head: Head, trusted: Networks) -> bool:
    return bool(trusted) and _is_within(head.peer, trusted)


@lru_cache(maxsize=1024)
def _is_within(text: str, networks: Networks) -> bool:
    address = _address(text)
    return address is not None and any(address in network for network in networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens on both families shows IPv4 peers as ::ffff:a.b.c.d.
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _first_of_list(value: bytes | None) -> bytes:
    return (value or b"").partition(b",")[0].strip()
