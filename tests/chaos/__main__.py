"""Every fault in its full form, one line of figures each, and the table of the README: `python -m tests.chaos [FAULT …] [--short]`."""

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.row import Row
from tests.chaos.table import FIGURES, into_readme


def main() -> int:
    options = _options()
    logging.getLogger().addHandler(logging.NullHandler())  # what the agent says of the faults is looked at by those that do them
    known = {name: Row(**each) for name, each in json.loads(FIGURES.read_text("utf-8")).items()} if FIGURES.exists() else {}
    good = True
    for name in options.faults or FAULTS:
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix=f"vin-agent-{name}-"))
        row = FAULTS[name](folder, not options.short)
        print(f"{name:<4} {row} ({time.monotonic() - began:.0f} s)", flush=True)
        if row.good:
            shutil.rmtree(folder)
        else:
            print(f"     what it left behind is in {folder}", flush=True)
        good, known[name] = good and row.good, row
        if not options.short:
            _keep(known)
    return 0 if good else 1


def _keep(rows: dict[str, Row]) -> None:
    """After every fault, so that a run that is broken off leaves what it has found."""
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps({name: asdict(rows[name]) for name in FAULTS if name in rows}, indent=1), "utf-8")
    into_readme({name: rows[name] for name in FAULTS if name in rows})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"some of {', '.join(FAULTS)}; all of them unless named")
    parser.add_argument("--short", action="store_true", help="a few of each, as the tests have it; the README stays as it is")
    options = parser.parse_args()
    if unknown := [name for name in options.faults if name not in FAULTS]:
        parser.error(f"unknown fault {', '.join(unknown)}: expected some of {', '.join(FAULTS)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
