"""Every target in its full form, one line each: `python -m tests.fuzz [TARGET …] [--inputs N] [--seed N]`, with the extra `fuzz`."""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "fuzz"
SLOW_S, GROWTH_MB = 1.0, 50.0
LIMIT_S = 900


@dataclass(frozen=True, slots=True)
class Result:
    """What a target did; a process that ended before its time is a crash like any other."""

    name: str
    inputs: int
    crashes: dict[str, str]
    slowest_s: float
    growth_mb: float
    seconds: float

    @property
    def good(self) -> bool:
        return not self.crashes and self.slowest_s <= SLOW_S and self.growth_mb <= GROWTH_MB

    def __str__(self) -> str:
        verdict = "passed" if self.good else "FAILED"
        return (
            f"{self.name:<14} {self.inputs:>9,} inputs, {len(self.crashes)} crashes, slowest {self.slowest_s * 1000:6.1f} ms, "
            f"memory +{self.growth_mb:4.1f} MB, {self.seconds:4.0f} s: {verdict}"
        )


def tried(name: str, inputs: int, seed: int) -> Result:
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz.one", name, str(inputs), str(seed), str(folder)]
    with (folder / "log").open("wb") as log:
        try:
            ended: int | str = subprocess.run(
                command, cwd=ROOT, stdout=log, stderr=log, env=_quiet(), timeout=LIMIT_S, check=False
            ).returncode
        except subprocess.TimeoutExpired:
            ended = f"nothing: it was still busy after {LIMIT_S} s"
    if not (report := folder / "report.json").exists():
        return Result(name, 0, {f"the process ended with {ended}": str(folder / "log")}, 0.0, 0.0, time.monotonic() - began)
    told: dict[str, Any] = json.loads(report.read_text("utf-8"))
    return Result(name, told["inputs"], told["crashes"], told["slowest_s"], told["growth_mb"], time.monotonic() - began)


def _quiet() -> dict[str, str]:
    """One thread for each library: what others do beside it is no figure of the agent's."""
    return {**os.environ, "OPENCV_FFMPEG_LOGLEVEL": "-8", "OPENCV_LOG_LEVEL": "SILENT", "OMP_NUM_THREADS": "1"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(TARGETS)}; all of them unless named")
    parser.add_argument("--inputs", type=int, help="for each of them, instead of its own number")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if unknown := [name for name in options.targets if name not in TARGETS]:
        parser.error(f"unknown target {', '.join(unknown)}: expected some of {', '.join(TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        print("fuzz: atheris is not installed: pip install '.[fuzz]', which exists for Linux on x86-64 with Python 3.11 to 3.13")
        return 2
    results = []
    for name in options.targets or TARGETS:
        results.append(tried(name, options.inputs or TARGETS[name].inputs, options.seed))
        print(results[-1], flush=True)
        for place, file in results[-1].crashes.items():
            print(f"  {place}: {file}", flush=True)
    inputs, seconds = sum(each.inputs for each in results), sum(each.seconds for each in results)
    bad = [each.name for each in results if not each.good]
    verdict = f"FAILED: {', '.join(bad)}" if bad else "all passed"
    print(f"fuzz: {inputs:,} inputs in {seconds / 60:.1f} min, {verdict}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
