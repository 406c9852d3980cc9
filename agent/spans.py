"""Ages, sizes and moments as people type and read them: `2h`, `100K`, `2026-03-14T06:00:00Z`, `3d ago`."""

import re
from dataclasses import dataclass
from datetime import datetime

_AGES = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_SIZES = {"": 1, "K": 1_000, "M": 1_000_000, "G": 1_000_000_000}
_NUMBER = r"(\d{1,9}(?:\.\d{1,3})?)\s*"
_AGE, _SIZE = re.compile(f"{_NUMBER}([smhdw])"), re.compile(f"{_NUMBER}([KMG]?)B?")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, given by itself (`ago` false) or by how long ago it is, in milliseconds."""

    value_ms: int
    ago: bool

    def utc_ms(self, now_ms: int) -> int:
        return now_ms - self.value_ms if self.ago else self.value_ms


def age_ms(text: str) -> int:
    """`90s`, `15m`, `2h`, `3d`, `1w` in milliseconds; raises `ValueError` with a sentence for anything else."""
    if found := _AGE.fullmatch(text.strip().lower()):
        return round(float(found[1]) * _AGES[found[2]])
    raise ValueError(f"an age such as 90s, 15m, 2h, 3d or 1w is wanted, not {text!r}")


def size_bytes(text: str) -> int:
    """`500`, `100K`, `2M` in bytes, a thousand to each letter; raises `ValueError` with a sentence for anything else."""
    if found := _SIZE.fullmatch(text.strip().upper()):
        return round(float(found[1]) * _SIZES[found[2]])
    raise ValueError(f"a size such as 500, 100K or 2M is wanted, not {text!r}")


def moment(text: str) -> Moment:
    """`2026-03-14T06:00:00Z`, `2h ago` or `now`; raises `ValueError` with a sentence for anything else."""
    words = text.strip()
    if words.lower() == "now":
        return Moment(0, ago=True)
    if words.lower().endswith(" ago"):
        return Moment(age_ms(words[:-4]), ago=True)
    try:
        at = datetime.fromisoformat(words.upper())
    except ValueError:
        raise ValueError(f"a time such as 2026-03-14T06:00:00Z, 2h ago or now is wanted, not {text!r}") from None
    if at.tzinfo is None:
        # Two people would mean two different hours by it.
        raise ValueError(f"{text!r} does not say in which zone: write {words}Z, or {words}+01:00")
    return Moment(round(at.timestamp() * 1000), ago=False)


def age_told(ms: int) -> str:
    """`42 s`, `12 min`, `5.2 h`, `3.1 d`: what fits into a column."""
    seconds = max(0, ms) / 1000
    for limit, unit, digits in ((120, 1, "s"), (7_200, 60, "min"), (172_800, 3_600, "h")):
        if seconds < limit:
            return f"{seconds / unit:.0f} {digits}" if unit < 3_600 else f"{seconds / unit:.1f} {digits}"
    return f"{seconds / 86_400:.1f} d"


def size_told(count: int) -> str:
    """`512 B`, `61 KB`, `2.4 MB`."""
    if count < 1_000:
        return f"{count} B"
    return f"{count / 1_000:.0f} KB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"
