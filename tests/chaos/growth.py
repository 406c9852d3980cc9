"""What a run of hours came to: vehicles lost or told twice, and whether memory and open files have grown."""

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.chaos.traffic import Told

DAY_S = 86_400.0
RSS_MB_PER_DAY, FDS_MORE = 1.0, 3.0  # what may grow, over days; files come and go with connections
RSS_MB_MORE = 8.0  # within a life, where the whole run is too short for a slope
FEW = 8  # looks at a life, in which a growth would not show
SLOPE_S, LONG_S = 3600.0, 12 * 3600.0  # from when on a slope is told, and has to be flat


@dataclass(frozen=True, slots=True)
class Look:
    """The parent process at one moment of its life, which is the n-th."""

    life: int
    at_s: float
    rss_mb: float
    fds: int


def slope_per_day(points: Iterable[tuple[int, float, float]]) -> float | None:
    """How fast something grows within lives (life, seconds, value), by least squares; None where no life is long enough to tell."""
    lives: dict[int, list[tuple[float, float]]] = {}
    for life, at_s, value in points:
        lives.setdefault(life, []).append((at_s, value))
    above = below = 0.0
    for seen in lives.values():
        middle, mean = sum(at for at, _ in seen) / len(seen), sum(value for _, value in seen) / len(seen)
        above += sum((at - middle) * (value - mean) for at, value in seen)
        below += sum((at - middle) ** 2 for at, _ in seen)
    return above / below * DAY_S if below else None


def growth(points: Iterable[tuple[int, float]]) -> float:
    """By how much the later half of any life lies above the earlier half, at the median; 0 for lives of a few looks."""
    lives: dict[int, list[float]] = {}
    for life, value in points:
        lives.setdefault(life, []).append(value)
    halves = ((sorted(seen[: len(seen) // 2]), sorted(seen[len(seen) // 2 :])) for seen in lives.values() if len(seen) >= FEW)
    return max((late[len(late) // 2] - early[len(early) // 2] for early, late in halves), default=0.0)


@dataclass(slots=True)
class Books:
    """What the agent has called committed and what the yard was told, small enough for a week."""

    committed: set[str] = field(default_factory=set)
    told: dict[str, int] = field(default_factory=dict)  # id → checksum of the content
    copies: int = 0
    differing: int = 0

    def add(self, events: Iterable[Told]) -> None:
        for each in events:
            check = zlib.crc32(each.content.encode())
            self.copies += each.id in self.told
            self.differing += self.told.setdefault(each.id, check) != check


@dataclass(slots=True)
class Outcome:
    """What became of the run."""

    seconds: float
    faults: int
    books: Books
    looks: list[Look]

    @property
    def lost(self) -> int:
        return len(self.books.committed - set(self.books.told))

    @property
    def rss_mb_per_day(self) -> float | None:
        return slope_per_day((each.life, each.at_s, each.rss_mb) for each in self.looks)

    @property
    def fds_per_day(self) -> float | None:
        return slope_per_day((each.life, each.at_s, float(each.fds)) for each in self.looks)

    def good(self) -> bool:
        slope = self.rss_mb_per_day
        flat = growth((each.life, float(each.fds)) for each in self.looks) <= FDS_MORE
        if self.seconds >= LONG_S:
            flat = flat and slope is not None and slope <= RSS_MB_PER_DAY
        return flat and growth((each.life, each.rss_mb) for each in self.looks) <= RSS_MB_MORE and not (self.lost or self.books.differing)

    def __str__(self) -> str:
        return (
            f"soak: {self.seconds / 3600:.2f} hours, {self.faults} faults, {len(self.books.committed)} vehicles, {self.lost} lost, "
            f"{self.books.copies} told twice; {self.slopes()}"
        )

    def slopes(self) -> str:
        """Of days only where there were hours: a page more in a minute would be gigabytes a day."""
        if max(Counter(each.life for each in self.looks).values(), default=0) < FEW:
            return "too short to tell what grows"
        memory, files = growth((each.life, each.rss_mb) for each in self.looks), growth((each.life, float(each.fds)) for each in self.looks)
        words = f"within a life memory {memory:+.1f} MB, open files {files:+.0f}"
        rss, fds = self.rss_mb_per_day, self.fds_per_day
        if self.seconds < SLOPE_S or rss is None or fds is None:
            return words
        return f"{words}; memory {rss:+.1f} MB a day, open files {fds:+.1f} a day"
