"""So many a second and no more, with what was saved up meanwhile: a token bucket."""

from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """At most `rate` tokens a second, starting empty; a rate of 0 is no limit."""

    rate: float
    filled_at: float
    tokens: float = 0.0

    def room(self, now: float, most: int) -> int:
        """How many of `most` may go now (monotonic seconds)."""
        if not self.rate:
            return most
        self.tokens = min(max(1.0, self.rate), self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        return min(most, int(self.tokens))

    def take(self, count: int) -> None:
        self.tokens -= count if self.rate else 0
