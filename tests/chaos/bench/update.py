"""An update broken off by the relay, a little later each time: the device must come back with one version or the other, and its backlog."""

import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field

from tests.chaos.bench.relay import BOOT_S, DRAIN_S, LOG, Rig, cut
from tests.chaos.bench.yard import Yard, arguments, run, yard

BACK_S = 120.0  # what is promised: a version that runs within two minutes
TELLS_S = 10.0  # an agent that is online has told its version by then


@dataclass(slots=True)
class Outcome:
    """`versions` are those found after each cut, in their order; `late` are those that took longer than two minutes."""

    delays: list[float] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)
    late: int = 0
    worst_s: float = 0.0
    committed: int = 0
    lost: int = 0

    def add(self, delay_s: float, took_s: float | None, version: str) -> None:
        self.delays.append(delay_s)
        if took_s is not None:
            self.versions.append(version)
            self.worst_s, self.late = max(self.worst_s, took_s), self.late + (took_s > BACK_S)

    @property
    def good(self) -> bool:
        # A version that nobody was told of, or a log that knows of no vehicle, shows nothing.
        return len(self.versions) == len(self.delays) and all(self.versions) and self.committed > 0 and not (self.late or self.lost)

    def __str__(self) -> str:
        told = [f"{self.versions.count(each)} times {each or 'an unknown one'}" for each in dict.fromkeys(self.versions)]
        return (
            f"update: broken off {len(self.delays)} times between {min(self.delays, default=0):g} and {max(self.delays, default=0):g} s; "
            f"then {', '.join(told) or 'nothing that ran'}, well again within {self.worst_s:.1f} s, {self.committed} vehicles, "
            f"{self.lost} lost: {'passed' if self.good else 'FAILED'}"
        )


def moments(longest_s: float, times: int) -> list[float]:
    """So many moments of an installation that takes so long, from its begin to a little beyond its end."""
    return [longest_s * 1.1 * number / max(1, times - 1) for number in range(times)]


def broken_off(ears: Yard, rig: Rig, install: str, restore: str, delays: list[float]) -> Outcome:
    """Begin the update, cut the power after each delay, look what runs, go back to the version before."""
    outcome = Outcome()
    ears.follow_log(rig.log)
    for delay_s in delays:
        ears.record.version = ""
        with subprocess.Popen(shlex.split(install), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as installing:
            time.sleep(delay_s)
            took_s = cut(ears, rig)
            installing.kill()
        if took_s is not None:
            ears.wait_for(lambda record: record.version, TELLS_S)
        outcome.add(delay_s, took_s, ears.record.version)
        if took_s is None:
            break
        print(f"cut after {delay_s:.1f} s: {ears.record.version} is back after {took_s:.1f} s", flush=True)
        run(restore, seconds=600)
    ears.leave_log()
    ears.wait_for(lambda record: not record.missing, rig.drain_s)
    outcome.committed, outcome.lost = len(ears.record.committed), len(ears.record.missing)
    return outcome


def main() -> int:
    parser = arguments("update", __doc__ or "")
    parser.add_argument("--off", required=True, help="cuts the supply")
    parser.add_argument("--on", required=True, help="gives it back")
    parser.add_argument("--log", required=True, help=LOG)
    parser.add_argument("--install", required=True, help='the update, such as "ssh pi sudo dpkg --install new.deb"')
    parser.add_argument("--restore", required=True, help='back to the version before: "ssh pi sudo dpkg --install old.deb"')
    parser.add_argument("--takes", type=float, default=60.0, help="seconds an update takes when nothing goes wrong (60)")
    parser.add_argument("--times", type=int, default=30, help="how many moments of it (30)")
    parser.add_argument("--boot", type=float, default=BOOT_S, help=f"seconds after which it counts as dead ({BOOT_S:g})")
    asked = parser.parse_args()
    rig = Rig(off=asked.off, on=asked.on, log=asked.log, boot_s=asked.boot, drain_s=DRAIN_S)
    with yard(asked) as ears:
        if ears.wait_for(lambda record: record.state == "online", asked.boot) is None:
            raise SystemExit(f"no agent is online below {asked.root} at {asked.broker}; start the device and its agent first")
        outcome = broken_off(ears, rig, asked.install, asked.restore, moments(asked.takes, asked.times))
    print(outcome)
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
