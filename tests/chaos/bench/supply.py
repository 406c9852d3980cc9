"""Low voltage, throttling and heat on a real Raspberry Pi: what its firmware says must stand in health soon, and nothing may restart."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.bench.yard import Yard, arguments, run, yard

TOLD_S = 30.0
# Bits of the firmware's answer that tell of this moment (Raspberry Pi documentation, get_throttled).
BITS = {"under_voltage": 1 << 0, "throttled": 1 << 1 | 1 << 2 | 1 << 3}


def flags_of(answer: str) -> set[str]:
    """What `vcgencmd get_throttled` says is the case now; an answer that is none ends the run."""
    name, _, word = answer.strip().partition("=")
    try:
        bits = int(word, 16)
    except ValueError:
        bits = -1
    if name != "throttled" or bits < 0:
        raise SystemExit(f"{answer.strip()!r} is no answer of vcgencmd get_throttled, which looks like throttled=0x50005")
    return {flag for flag, mask in BITS.items() if bits & mask}


@dataclass(slots=True)
class Outcome:
    """Seconds from the firmware's word to the agent's, by flag, None where it never came; what heat did to the cameras."""

    told: dict[str, list[float | None]] = field(default_factory=lambda: {flag: [] for flag in BITS})
    hottest_c: float = 0.0
    slowest: float = 1.0
    starts: int = 0

    def look(self, health: dict[str, Any]) -> None:
        power = health.get("power", {})
        self.hottest_c = max(self.hottest_c, float(power.get("temperature_c", 0.0)))
        self.slowest = min(self.slowest, float(power.get("frame_rate", 1.0)))

    @property
    def good(self) -> bool:
        waits = [each for found in self.told.values() for each in found]
        in_time = all(each is not None and each <= TOLD_S for each in waits)
        slowed = not self.told["throttled"] or self.slowest < 1.0
        return bool(waits) and in_time and slowed and not self.starts

    def __str__(self) -> str:
        words = [f"{flag} {len(found)} times, {_in_health(found)}" for flag, found in self.told.items()]
        return (
            f"supply: {'; '.join(words)}; at most {self.hottest_c:.0f} °C, cameras down to {self.slowest:.2f}, the agent started anew "
            f"{self.starts} times: {'passed' if self.good else 'FAILED'}"
        )


def _in_health(seconds: list[float | None]) -> str:
    if not seconds:
        return "so nothing to tell"
    known = [each for each in seconds if each is not None]
    never = f", {len(seconds) - len(known)} times never" if len(known) < len(seconds) else ""
    return f"in health within {max(known, default=0.0):.1f} s{never}"


def waits(said: Sequence[tuple[float, set[str]]], healths: Sequence[tuple[float, dict[str, Any]]], flag: str) -> list[float | None]:
    """For each time the firmware raised a flag, the seconds until health said so; one that fell again too soon to be told is left out."""
    found: list[float | None] = []
    for rose, fell in _spans(said, flag):
        at = next((at for at, health in healths if at >= rose and health.get("power", {}).get(flag)), None)
        if at is not None or fell - rose >= TOLD_S:
            found.append(None if at is None else at - rose)
    return found


def _spans(said: Sequence[tuple[float, set[str]]], flag: str) -> Iterator[tuple[float, float]]:
    """From each rise of a flag to its fall, or to the last look."""
    rose: float | None = None
    for at, flags in said:
        if flag in flags and rose is None:
            rose = at
        elif flag not in flags and rose is not None:
            yield rose, at
            rose = None
    if rose is not None:
        yield rose, said[-1][0]


def watched(ears: Yard, flags: str, seconds: float, every_s: float = 1.0) -> Outcome:
    """Ask the firmware all the time, and hear what the agent tells meanwhile."""
    outcome, starts, said = Outcome(), len(ears.record.sessions), list[tuple[float, set[str]]]()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        said.append((time.monotonic(), flags_of(run(flags))))
        outcome.look(ears.record.health)
        time.sleep(every_s)
    outcome.told = {flag: waits(said, ears.record.healths, flag) for flag in BITS}
    outcome.starts = len(ears.record.sessions) - starts
    return outcome


def main() -> int:
    parser = arguments("supply", __doc__ or "")
    parser.add_argument("--flags", default="vcgencmd get_throttled", help='asks the firmware: "ssh pi vcgencmd get_throttled"')
    parser.add_argument("--minutes", type=float, default=20.0, help="how long, while you turn the supply down and the heat up (20)")
    asked = parser.parse_args()
    with yard(asked) as ears:
        if ears.wait_for(lambda record: record.state == "online", 60.0) is None:
            raise SystemExit(f"no agent is online below {asked.root} at {asked.broker}; start it first")
        outcome = watched(ears, asked.flags, asked.minutes * 60)
    print(outcome)
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
