"""What one fault did to the agent: the line that is printed, and the row of the table that is published."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`times` the fault was done, in words ("300 cuts"). `lost` are vehicles that were committed and never told.

    `twice` are events that came more than once, always under one id; `worst_s` is the longest time until the agent was well again, None
    where nothing had to recover. `ok` is whether the fault met its pass criterion, which `note` may say more about.
    """

    fault: str
    times: str
    lost: int
    ok: bool
    twice: int = 0
    worst_s: float | None = None
    note: str = ""

    def __str__(self) -> str:
        worst = "" if self.worst_s is None else f", well again within {self.worst_s:.1f} s"
        verdict = "passed" if self.good else "FAILED"
        note = f"; {self.note}" if self.note else ""
        return f"{self.fault}: {self.times}, {self.lost} lost, {self.twice} told twice{worst}{note}: {verdict}"

    @property
    def good(self) -> bool:
        return self.ok and self.lost == 0
