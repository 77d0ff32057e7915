"""Cases that a store is known to fail, and why. Strict: one that passes must leave this list."""

SKIPS: dict[tuple[str, str], str] = {}
"""(name of the test, name of the store) to the reason."""
