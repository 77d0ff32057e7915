"""What the clients store: bytes that differ everywhere, and keys that invite normalising."""

import random

KIB = 1024
MIB = 1024 * 1024

ODD_KEYS = (
    "a//b",
    "./x",
    "../y",
    "a/../b",
    "a/./b",
    "two  blanks and one at the end ",
    " one at the start",
    "plus+plus",
    "escaped%2Fslash",
    "escaped%25percent",
    "per%cent",
    "caf\u00e9",
    "cafe\u0301",
    "emoji \U0001f9ea/\U0001f469\u200d\U0001f680",
    "tilde~tilde",
    "'single' and \"double\"",
    "question?mark#hash&and=equals",
    "back\\slash",
    "semi;colon:comma,at@dollar$",
    "(round)[square]{curly}<angle>|^`!*",
    "/leading",
    "trailing/",
    "equals=3D=",
    "/".join(["\u0436" * 100] * 5),
)
"""Keys stay the bytes they are; composed and decomposed letters are two keys."""


def content(size: int, seed: int = 0) -> bytes:
    """The same bytes for the same size and seed, with no two stretches alike."""
    return random.Random(f"{size}/{seed}").randbytes(size)


def crowd() -> dict[str, bytes]:
    """2,500 items at one level under `crowd/`, keys and folders mixed: three pages of a listing."""
    keys = [f"crowd/{number:04}" + ("/inside" if number % 2 else "") for number in range(2500)]
    return {key: key.encode() for key in keys}
