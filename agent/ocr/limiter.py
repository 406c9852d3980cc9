"""How fast a provider may be asked: a bucket of tokens that fills at the provider's rate, and stays shut as long as it asked for."""


class Limiter:
    """`per_s` calls a second, at most `burst` of them at once; 0 is no limit. Time is given, in monotonic seconds.

    One token as a rule: with more, a second that begins with a full bucket sees `burst` calls above the rate, and a vendor counts those.
    """

    def __init__(self, per_s: float, burst: int = 1) -> None:
        self._per_s, self._burst = per_s, float(max(1, burst))
        self._tokens, self._at = self._burst, float("-inf")  # what is in the bucket, and since when; a moment to come: shut until then

    def wait_s(self, now: float) -> float:
        """Seconds until the next call may be made; 0 where it may be made now."""
        begins = max(now, self._at)
        missing = 1.0 - self._level(begins)
        # A billionth of a token is a rounding error of the clock, not a call too early.
        return begins - now + (missing / self._per_s if missing > 1e-9 else 0.0)

    def take(self, now: float) -> None:
        """Notes a call that is made now."""
        self._tokens, self._at = self._level(now) - 1.0, max(now, self._at)

    def hold(self, seconds: float, now: float) -> None:
        """What a vendor asked for, as Retry-After or as "limit:XX,time:1 minute": no call before that, and no burst after it."""
        until = max(self._at, now + seconds)
        self._tokens, self._at = min(1.0, self._level(until)), until

    def _level(self, now: float) -> float:
        if self._per_s <= 0 or self._at == float("-inf"):
            return self._burst
        return min(self._burst, self._tokens + max(0.0, now - self._at) * self._per_s)
