"""Patterns in which `*` stands for any bytes and `?` for one byte, matched without backtracking."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A compiled pattern; `*` and `?` match `/` too.

    `pieces` are the stretches between the stars. Taking each at its first place is enough: an
    earlier place never spoils a later piece. So the cost is at most text times pattern.
    """

    pieces: tuple[bytes, ...]

    def matches(self, text: bytes) -> bool:
        first, *middle = self.pieces
        if not _stands_at(first, text, 0):
            return False
        if not middle:
            return len(first) == len(text)
        last = middle.pop()
        at, stop = len(first), len(text) - len(last)
        for piece in middle:
            at = _find(piece, text, at, stop)
            if at < 0:
                return False
            at += len(piece)
        return at <= stop and _stands_at(last, text, stop)

    def matches_all_beginning_with(self, start: bytes) -> bool:
        """Whether every text that begins with `start` surely matches."""
        return len(self.pieces) == 2 and not self.pieces[1] and _stands_at(self.pieces[0], start, 0)

    def matches_some_beginning_with(self, start: bytes) -> bool:
        """Whether any text that begins with `start` matches."""
        first = self.pieces[0]
        shared = min(len(first), len(start))
        return _stands_at(first[:shared], start, 0) and (len(self.pieces) > 1 or len(start) <= len(first))


def compile_wildcard(pattern: str) -> Wildcard:
    """The matcher of a pattern; keys are UTF-8 bytes, so the pattern is too."""
    return Wildcard(tuple(pattern.encode().split(b"*")))


def _stands_at(piece: bytes, text: bytes, at: int) -> bool:
    if b"?" not in piece:
        return text.startswith(piece, at)
    stretch = text[at : at + len(piece)]
    return len(stretch) == len(piece) and all(
        wanted in (byte, 0x3F) for wanted, byte in zip(piece, stretch, strict=True)
    )


def _find(piece: bytes, text: bytes, start: int, stop: int) -> int:
    """Where `piece` first stands wholly within text[start:stop], or -1."""
    if b"?" not in piece:
        return text.find(piece, start, max(start, stop))
    return next((at for at in range(start, stop - len(piece) + 1) if _stands_at(piece, text, at)), -1)
