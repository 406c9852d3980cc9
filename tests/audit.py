"""Whether a flaw is known of any pinned package: `python -m tests.audit PROGRAM`, where PROGRAM is pip-audit; `make audit` installs it.

Exit code 0: none is known; 1: some are, and each is named; 75: nobody could be asked, so nothing is known either way.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parent.parent / "config" / "constraints.txt"
DATABASES = ("pypi", "osv")
LIMIT_S = 300
FINE, FLAWED, UNKNOWN = 0, 1, 75


@dataclass(frozen=True, slots=True)
class Found:
    """How many packages a database knows, those it does not, and a line for each flaw."""

    asked: int
    unknown: tuple[str, ...]
    flaws: tuple[str, ...]


def main(arguments: Sequence[str]) -> int:
    for database in DATABASES:
        if found := ask(arguments[0], database):
            return told(found, database)
    print(f"audit: NOT DONE: neither of the databases ({', '.join(DATABASES)}) could be reached; whether a flaw is known is not known")
    return UNKNOWN


def ask(program: str, database: str) -> Found | None:
    """What one database says of the lock; None where it says nothing, as behind a proxy that has packages and no advice."""
    options = ("--requirement", str(LOCK), "--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off")
    try:
        done = subprocess.run([program, "-s", database, *options], capture_output=True, text=True, timeout=LIMIT_S, check=False)
        return parsed(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def parsed(said: dict[str, Any]) -> Found | None:
    """pip-audit ends well where it found no package at all: that counts as no answer."""
    packages = said["dependencies"]
    known = [each for each in packages if "vulns" in each]
    flaws = [
        f"{each['name']} {each['version']}: {flaw['id']}, mended in {', '.join(flaw.get('fix_versions') or ['no release yet'])}"
        for each in known
        for flaw in each["vulns"]
    ]
    unknown = tuple(each["name"] for each in packages if "vulns" not in each)
    return Found(len(known), unknown, tuple(flaws)) if known else None


def told(found: Found, database: str) -> int:
    for flaw in found.flaws:
        print(f"  {flaw}")
    beside = f"; {len(found.unknown)} are not in it: {', '.join(found.unknown)}" if found.unknown else ""
    print(f"audit: {found.asked} pinned packages asked of {database}, {len(found.flaws)} known flaws{beside}")
    return FLAWED if found.flaws else FINE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
