"""Bodies small enough to be held whole."""

from gateway.backends.base import Body


async def gathered(body: Body) -> bytes:
    """All bytes of the body, after a good verdict on them."""
    data = bytearray()
    async for piece in body.pieces():
        data += piece
    return bytes(data)
