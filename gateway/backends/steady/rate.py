"""How much of something a mount may use in a second."""


class Rate:
    """A token bucket that lends in advance: who takes more than is there waits until it has come.

    `per_s` 0: no limit. Up to a second's worth is saved up in quiet.
    """

    def __init__(self, per_s: float) -> None:
        self._per_s = per_s
        self._paid_until_s = float("-inf")

    @property
    def is_limited(self) -> bool:
        return self._per_s > 0

    def take(self, amount: float, now_s: float) -> float:
        """Takes `amount`, of any size; returns the seconds to wait before it is used."""
        if not self._per_s:
            return 0.0
        begins_s = max(self._paid_until_s, now_s - 1.0)
        self._paid_until_s = begins_s + amount / self._per_s
        return max(0.0, self._paid_until_s - now_s)
