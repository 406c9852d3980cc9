"""A camera opened and closed again and again, on the device itself: memory, files, threads and the camera's own memory must stay."""

import argparse
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from agent import config
from agent.camera import open_camera
from agent.clock import Clock

MB = 1_000_000
WARM = 10  # rounds: by then everything is loaded that ever will be
RSS_MORE, CMA_SHARE = 10 * MB, 0.05


@dataclass(frozen=True, slots=True)
class Held:
    """What this process holds, in bytes and numbers, and what is free of the memory that only cameras get (CMA); None without any."""

    rss: int
    files: int
    threads: int
    cma_free: int | None

    @classmethod
    def now(cls, proc: Path = Path("/proc")) -> "Held":
        pages = int((proc / "self/statm").read_text("ascii").split()[1])
        meminfo = (proc / "meminfo").read_text("ascii")
        cma = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line).get("CmaFree")
        files = len(list((proc / "self/fd").iterdir()))
        return cls(pages * os.sysconf("SC_PAGE_SIZE"), files, threading.active_count(), int(cma.split()[0]) * 1024 if cma else None)


@dataclass(frozen=True, slots=True)
class Outcome:
    rounds: int
    first: Held
    last: Held

    @property
    def good(self) -> bool:
        kept = self.last.files <= self.first.files and self.last.threads <= self.first.threads
        return kept and self.last.rss - self.first.rss <= RSS_MORE and self._cma_kept()

    def _cma_kept(self) -> bool:
        if self.first.cma_free is None or self.last.cma_free is None:
            return True
        return abs(self.last.cma_free - self.first.cma_free) <= CMA_SHARE * self.first.cma_free

    def __str__(self) -> str:
        first, last = self.first, self.last
        cma = "no CMA" if first.cma_free is None or last.cma_free is None else f"CMA free {first.cma_free // MB} → {last.cma_free // MB} MB"
        return (
            f"opening: {self.rounds} rounds, memory {(last.rss - first.rss) / MB:+.1f} MB, files {first.files} → {last.files}, "
            f"threads {first.threads} → {last.threads}, {cma}: {'passed' if self.good else 'FAILED'}"
        )


def rounds(camera: config.Camera, times: int, frames: int = 2) -> Outcome:
    """Open, read a few frames, close; looked at after the first rounds and at the end."""
    first = Held.now()
    for number in range(WARM + times):
        if number == WARM:
            first = Held.now()
        with open_camera(camera, Clock()) as opened:
            for _ in range(frames):
                opened.read()
    return Outcome(times, first, Held.now())


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.bench.opening", description=__doc__)
    parser.add_argument("--config", type=Path, default=Path("/etc/vin-agent/agent.toml"), help="where the camera is described")
    parser.add_argument("--camera", default="", help="its name there; empty: the first")
    parser.add_argument("--times", type=int, default=500, help="how often; 500 is asked of a CSI camera, 10000 of the others (500)")
    asked = parser.parse_args()
    cameras = config.load(asked.config).camera
    wanted = [each for each in cameras if asked.camera in ("", each.name)]
    if not wanted:
        raise SystemExit(
            f"{asked.config} has no camera {asked.camera!r}: expected one of {', '.join(each.name for each in cameras) or 'none'}"
        )
    outcome = rounds(wanted[0], asked.times)
    print(outcome)
    return 0 if outcome.good else 1


if __name__ == "__main__":
    sys.exit(main())
