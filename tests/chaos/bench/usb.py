"""A USB camera cut off by its hub and given back: how soon the agent says so and sees again, under whatever number it comes."""

import sys
import time
from dataclasses import dataclass, field

from tests.chaos.bench.yard import Record, Yard, arguments, run, yard

NOTICED_S, BACK_S = 15.0, 30.0
WELL = ("online", "degraded")  # degraded is a picture that is dark, for which the hub cannot be blamed


@dataclass(slots=True)
class Outcome:
    """Seconds until it was told that the camera is gone, and until it was there again; None where that never came."""

    gone: list[float | None] = field(default_factory=list)
    back: list[float | None] = field(default_factory=list)
    starts: int = 0  # of the agent meanwhile, which should be none

    @property
    def good(self) -> bool:
        in_time = all(each is not None and each <= BACK_S for each in self.back)
        return in_time and None not in self.gone and not self.starts

    def __str__(self) -> str:
        return (
            f"usb: unplugged {len(self.gone)} times, told within {_worst(self.gone)}, sees again within {_worst(self.back)}, "
            f"the agent started anew {self.starts} times: {'passed' if self.good else 'FAILED'}"
        )


def _worst(seconds: list[float | None]) -> str:
    known = [each for each in seconds if each is not None]
    never = len(seconds) - len(known)
    return (f"{max(known):.1f} s" if known else "no time") + (f" ({never} times never)" if never else "")


def is_in(record: Record, camera: str, since: float, states: tuple[str, ...]) -> bool:
    """Whether the newest that was told of the camera, after this second, is one of these states."""
    told = [state for at, name, state in record.cameras if name == camera and at >= since]
    return bool(told) and told[-1] in states


def cycles(ears: Yard, off: str, on: str, camera: str, times: int, dark_s: float) -> Outcome:
    outcome, starts = Outcome(), len(ears.record.sessions)
    for number in range(times):
        since = time.monotonic()
        run(off)
        outcome.gone.append(ears.wait_for(lambda record, since=since: is_in(record, camera, since, ("offline",)), NOTICED_S))  # type: ignore[misc]  # mypy cannot infer a lambda's default
        time.sleep(dark_s)
        since = time.monotonic()
        run(on)
        outcome.back.append(ears.wait_for(lambda record, since=since: is_in(record, camera, since, WELL), 4 * BACK_S))  # type: ignore[misc]  # the same
        print(f"round {number + 1}: told {_worst(outcome.gone[-1:])}, back {_worst(outcome.back[-1:])}", flush=True)
    outcome.starts = len(ears.record.sessions) - starts
    return outcome


def main() -> int:
    parser = arguments("usb", __doc__ or "")
    parser.add_argument("--off", required=True, help='cuts the port: "ssh pi sudo uhubctl -l 1-1 -p 2 -a off"')
    parser.add_argument("--on", required=True, help="gives it back")
    parser.add_argument("--camera", required=True, help="its name in the agent's configuration")
    parser.add_argument("--times", type=int, default=100, help="how often (100)")
    parser.add_argument("--dark", type=float, default=5.0, help="seconds without power (5)")
    asked = parser.parse_args()
    with yard(asked) as ears:
        if ears.wait_for(lambda record: is_in(record, asked.camera, 0.0, WELL), 60.0) is None:
            raise SystemExit(f"no camera {asked.camera} is online below {asked.root} at {asked.broker}; start the agent with it first")
        outcome = cycles(ears, asked.off, asked.on, asked.camera, asked.times, asked.dark)
    print(outcome)
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
