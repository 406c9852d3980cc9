"""Power cuts of a real device on a real card: a relay cuts its supply, and nothing that it called committed may be missing."""

import random
import sys
import time
from dataclasses import dataclass, field

from tests.chaos.bench.yard import Yard, arguments, run, yard

BOOT_S, DRAIN_S = 180.0, 600.0
LOG = 'prints the device\'s log, such as "ssh pi journalctl -fn0 -o cat -u vin-agent" or "cat /dev/ttyUSB0"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """Commands of the bench, and seconds: how long the device may run before a cut, stays dark, and may take to come back."""

    off: str
    on: str
    log: str
    runs_s: tuple[float, float] = (5.0, 60.0)
    dark_s: float = 3.0
    boot_s: float = BOOT_S
    drain_s: float = DRAIN_S


@dataclass(slots=True)
class Outcome:
    """What became of the cycles; a device that did not come back ends the run."""

    cuts: int = 0
    boots: list[float] = field(default_factory=list)
    committed: int = 0
    lost: int = 0
    twice: int = 0

    @property
    def good(self) -> bool:
        # Where fewer vehicles came than cuts, or the log told nobody of them, nothing was shown.
        return self.cuts == len(self.boots) and not self.lost and self.committed >= self.cuts > 0

    def __str__(self) -> str:
        longest = f"{max(self.boots):.1f} s" if self.boots else "never"
        return (
            f"relay: {self.cuts} cuts, {len(self.boots)} boots, {self.committed} vehicles, {self.lost} lost, {self.twice} told twice; "
            f"well again within {longest}: {'passed' if self.good else 'FAILED'}"
        )


def cycle(ears: Yard, rig: Rig, seconds: float) -> float | None:
    """Let it run, cut it, give it its power back; the seconds until it was online as another start, None where it was not."""
    time.sleep(seconds)
    return cut(ears, rig)


def cut(ears: Yard, rig: Rig) -> float | None:
    starts = len(ears.record.sessions)
    run(rig.off)
    ears.leave_log()  # what it has not said by now it has not said
    time.sleep(rig.dark_s)
    run(rig.on)
    took_s = ears.wait_for(lambda record: len(record.sessions) > starts and record.state == "online", rig.boot_s)
    if took_s is not None:
        ears.follow_log(rig.log)
    return took_s


def cycles(ears: Yard, rig: Rig, times: int, seed: int) -> Outcome:
    """All of them, and then as long as it takes until nothing is missing, or the patience is over."""
    dice, outcome = random.Random(seed), Outcome()
    ears.follow_log(rig.log)
    for _ in range(times):
        took_s = cycle(ears, rig, dice.uniform(*rig.runs_s))
        outcome.cuts += 1
        if took_s is None:
            break
        outcome.boots.append(took_s)
        print(f"cut {outcome.cuts}: back after {took_s:.1f} s, {len(ears.record.missing)} vehicles untold so far", flush=True)
    ears.leave_log()  # a camera that goes on would never let it come to an end
    ears.wait_for(lambda record: not record.missing, rig.drain_s)
    record = ears.record
    outcome.committed, outcome.lost, outcome.twice = len(record.committed), len(record.missing), record.copies
    return outcome


def main() -> int:
    parser = arguments("relay", __doc__ or "")
    parser.add_argument("--off", required=True, help='cuts the supply, such as "usbrelay BITFT_1=0"')
    parser.add_argument("--on", required=True, help="gives it back")
    parser.add_argument("--log", required=True, help=LOG)
    parser.add_argument("--cuts", type=int, default=1000, help="how often (1000)")
    parser.add_argument("--runs", type=float, nargs=2, default=(5.0, 60.0), metavar=("LEAST", "MOST"), help="seconds before a cut (5 60)")
    parser.add_argument("--boot", type=float, default=BOOT_S, help=f"seconds a start may take ({BOOT_S:g})")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rig = Rig(off=asked.off, on=asked.on, log=asked.log, runs_s=tuple(asked.runs), boot_s=asked.boot)
    with yard(asked) as ears:
        if ears.wait_for(lambda record: record.state == "online", asked.boot) is None:
            raise SystemExit(f"no agent is online below {asked.root} at {asked.broker}; start the device and its agent first")
        outcome = cycles(ears, rig, asked.cuts, asked.seed)
    print(outcome)
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
