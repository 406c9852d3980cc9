"""One target under atheris, in a process of its own: `python -m tests.fuzz.one TARGET INPUTS SEED FOLDER`; figures to report.json."""

import importlib
import json
import os
import random
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

WARM = 500  # inputs after which everything is imported that will be
GREEDY_KB = 20_000  # an input that takes more than this is kept


class Watch:
    """Counts inputs, notes what came out of them, and ends the process when there were enough."""

    def __init__(self, run: Any, inputs: int, folder: Path) -> None:
        self._run, self._inputs, self._folder = run, inputs, folder
        self._count = self._base_kb = self._peak_kb = 0
        self._slowest_s, self._slowest = 0.0, b""
        self._crashes: dict[str, str] = {}
        self._began = time.monotonic()

    def __call__(self, data: bytes) -> None:
        self._count += 1
        began = time.process_time()
        try:
            self._run(data)
        except Exception as trouble:  # noqa: BLE001  # whatever it is, it is what is looked for
            self._crashed(data, trouble)
        took = time.process_time() - began
        if took > self._slowest_s and self._count > 1:
            self._slowest_s, self._slowest = took, data
        peak_kb = _peak_kb()
        if peak_kb - self._peak_kb > GREEDY_KB and self._count > WARM:
            (self._folder / "greedy").write_bytes(data)
        self._peak_kb = peak_kb
        if self._count == min(WARM, self._inputs):
            self._base_kb = peak_kb
        if self._count >= self._inputs:
            self._report()
            os._exit(0)  # the fuzzer itself never returns

    def _crashed(self, data: bytes, trouble: Exception) -> None:
        """Each place once, with the first input that led there."""
        frames = traceback.extract_tb(trouble.__traceback__)[2:]
        place = " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames[-4:])
        key = f"{type(trouble).__name__} at {place}"
        if key not in self._crashes:
            file = self._folder / f"crash-{len(self._crashes)}"
            file.write_bytes(data)
            self._crashes[key] = f"{file}: {str(trouble)[:200]}"

    def _report(self) -> None:
        (self._folder / "slowest").write_bytes(self._slowest)
        told = {
            "inputs": self._count,
            "seconds": time.monotonic() - self._began,
            "slowest_s": self._slowest_s,
            "growth_mb": (_peak_kb() - self._base_kb) / 1024,
            "crashes": self._crashes,
        }
        (self._folder / "report.json").write_text(json.dumps(told), "utf-8")


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    name, inputs, seed, place = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
    atheris: Any = importlib.import_module("atheris")  # of the extra `fuzz`: this file has to be understood without it
    with atheris.instrument_imports(include=["agent", "tomllib", "email", "httpx", "json"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    seeds, found = place / "seeds", place / "found"
    for folder in (seeds, found):
        folder.mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(target.begins_with(name)):
        (seeds / f"{number:03d}").write_bytes(content)
    limits = (f"-max_len={target.longest}", f"-seed={seed}", "-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=0", "-verbosity=0")

    def mutated(data: bytes, longest: int, number: int) -> bytes:
        """Half of the changes keep the form of the file; the other half are the fuzzer's own, which know nothing of it."""
        dice = random.Random(number)
        return bytes(atheris.Mutate(data, longest)) if dice.random() < 0.5 else target.mutate(data, dice)[:longest]

    arguments = [sys.argv[0], *limits, f"-artifact_prefix={place}/", "-runs=-1", str(found), str(seeds)]
    atheris.Setup(arguments, Watch(target.run, inputs, place), custom_mutator=mutated)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
