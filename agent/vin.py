"""What a VIN is and says, and what the readings of one pass add up to: alphabet, check digit, maker, years, vote, decision."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import vininfo

from agent.domain import Candidate, CheckDigit, Decision, Reading, Reason, Vin
from agent.errors import Rejected
from agent.vin_code import BARCODE, asked, bare, settled
from agent.vin_makers import MAKERS
from agent.vin_text import ALPHABET, LENGTH, Spelling, candidates_in, plausible

if TYPE_CHECKING:
    from agent import config

# 49 CFR 565.15 (c): what each character counts, and how heavily each position weighs; position 9 is the check digit itself.
_VALUES = dict(zip(ALPHABET, map(int, "012345678912345678123457923456789"), strict=True))
_WEIGHTS = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_NORTH_AMERICA = "12345"
CHECKED = _NORTH_AMERICA + "L"  # 49 CFR 565 and GB 16735 make the check digit binding; elsewhere position 9 is the maker's own

# 49 CFR 565.15 (d): letters and digits of the model year, over again every thirty years.
_YEAR_CODES = "ABCDEFGHJKLMNPRSTVWXY123456789"
_CYCLES = (1980, 2010)
_NEWEST = 2027  # model year on sale when this was released: a clock that starts in the past must not hide it

_UNLISTED = "UnsupportedBrand"  # what the package calls a maker it does not know

_UNTOLD = 0.8  # what a character is taken for where its reader tells no confidence
_CLEAR = 0.6  # the share of the vote below which two spellings of a position compete
_REQUIRED_BONUS = 0.02  # about a third of one position: orders near ties, never outvotes a clear reading
_SHOWN = 5  # candidates kept with a decision


def parse(text: str) -> Vin:
    """The VIN an operator typed; raises `Rejected` with every wrong character and its position, or the wrong length."""
    value = text.strip().upper() if text.isascii() else text.strip()
    wrong = [f"{char!r} at position {at}" for at, char in enumerate(value, 1) if char not in ALPHABET]
    faults = [f"{', '.join(wrong)} cannot stand in a VIN (A-H, J-N, P, R-Z and 0-9 can)"] if wrong else []
    if len(value) != LENGTH:
        faults.append(f"a VIN has {LENGTH} characters, this has {len(value)}")
    if faults:
        raise Rejected(f"{value!r} is not a VIN: {'; '.join(faults)}")
    return describe(value)


def check_digit(value: str) -> str:
    """What position 9 of seventeen characters has to be by 49 CFR 565.15 (c): a digit, or X for ten."""
    rest = sum(_VALUES[char] * weight for char, weight in zip(value, _WEIGHTS, strict=True)) % 11
    return "X" if rest == 10 else str(rest)


def verdict(value: str) -> CheckDigit:
    """Whether the check digit holds; where the region does not require one, a mismatch says nothing."""
    if value[8] == check_digit(value):
        return "pass"
    return "fail" if value[0] in CHECKED else "not_applicable"


def describe(value: str) -> Vin:
    """Seventeen characters of the alphabet, and what they say about maker, place and model year (likeliest first)."""
    known = vininfo.Vin(value)
    listed = str(known.manufacturer)
    maker = MAKERS.get(value[:3], "" if listed == _UNLISTED else listed)
    return Vin(
        value=value,
        check_digit=verdict(value),
        expected_check_digit=check_digit(value),
        wmi_known=bool(maker),
        region=known.region or "",
        country=known.country or "",
        manufacturer=maker,
        years=_years(value, known.years_code, known.years),
    )


def _years(value: str, code: str, by_clock: Sequence[int]) -> tuple[int, ...]:
    if code not in _YEAR_CODES:
        return ()
    by_code = {start + _YEAR_CODES.index(code) for start in _CYCLES}
    years = sorted({*by_clock, *(year for year in by_code if year <= _NEWEST)})
    # 49 CFR 565.15 (d): a digit in position 7 means a year up to 2009, a letter one from 2010 on.
    oldest_first = value[0] in _NORTH_AMERICA and value[6].isdigit()
    return tuple(years if oldest_first else reversed(years))


@dataclass(frozen=True, slots=True)
class _Ballot:
    """One spelling, the reading it is from, and how many spellings that reading offers: they share its vote."""

    spelling: Spelling
    reading: Reading
    shared_by: int

    def worth(self, position: int) -> float:
        return _UNTOLD if self.spelling.confidence is None else self.spelling.confidence[position]

    @property
    def lowest(self) -> float:
        return min(map(self.worth, range(LENGTH)))

    @property
    def source(self) -> tuple[str, int]:
        return self.reading.provider, self.reading.image


_Votes = tuple[dict[str, float], ...]


def judge(readings: Sequence[Reading], settings: "config.Reading") -> Decision:
    """What the readings of one pass, of one or more pictures and providers, add up to; barcodes do not vote, they settle it."""
    printed = asked(readings)
    ballots = [ballot for reading in printed for ballot in _ballots(reading)]
    voted = _voted(ballots, settings) if ballots else _unread(max((reading.text.strip() for reading in printed), key=len, default=""))
    codes = [reading for reading in readings if reading.provider == BARCODE and plausible(bare(reading.text))]
    return settled(voted, {ballot.spelling.value for ballot in ballots}, codes, describe) if codes else voted


def _voted(ballots: Sequence[_Ballot], settings: "config.Reading") -> Decision:
    votes = _count(ballots)
    ranked = _ranked(ballots, votes)
    winner = describe(ranked[0].vin)
    behind = [ballot for ballot in ballots if ballot.spelling.value == winner.value]
    chars = tuple(round(_confidence(ballots, votes, at, char), 3) for at, char in enumerate(winner.value))
    reason = _objection(winner, chars, behind, votes, settings)
    decision = Decision(
        outcome="needs_review" if reason else "accepted",
        vin=winner,
        reason=reason,
        confidence=min(chars),
        char_confidence=chars,
        raw=max(behind or ballots, key=lambda ballot: ballot.lowest).spelling.raw,
        candidates=tuple(ranked[:_SHOWN]),
        agreeing=len(behind),
    )
    is_guess = reason in ("blurred", "check_digit") and decision.confidence < settings.review_from
    return _unread(decision.raw, decision.candidates) if is_guess else decision


def _ballots(reading: Reading) -> list[_Ballot]:
    spellings = candidates_in(reading.text, reading.confidence)
    return [_Ballot(spelling, reading, len(spellings)) for spelling in spellings]


def _unread(raw: str, candidates: tuple[Candidate, ...] = ()) -> Decision:
    """No text at all means no plate; text without a VIN in it, or with one that is a guess, means that it could not be made out."""
    return Decision("unread", None, "blurred" if raw else "no_plate", 0.0, (), raw, candidates, 0)


def _count(ballots: Sequence[_Ballot]) -> _Votes:
    """For each position, the weight behind each character."""
    votes: _Votes = tuple({} for _ in range(LENGTH))
    for ballot in ballots:
        for at, char in enumerate(ballot.spelling.value):
            # Never nothing: a character at confidence 0 was still read.
            votes[at][char] = votes[at].get(char, 0.0) + max(ballot.worth(at), 0.001) / ballot.shared_by
    return votes


def _ranked(ballots: Sequence[_Ballot], votes: _Votes) -> list[Candidate]:
    """Every spelling, and the one the vote per position makes, best first; a required check digit decides near ties."""
    behind = Counter(ballot.spelling.value for ballot in ballots)
    together = "".join(max(sorted(count), key=count.__getitem__) for count in votes)
    scores = {value: _score(value, votes) for value in (*behind, together)}
    order = sorted(scores, key=lambda value: (-scores[value] - _bonus(value), value))
    return [Candidate(value, round(scores[value], 3), behind[value]) for value in order]


def _score(value: str, votes: _Votes) -> float:
    return sum(_share(count, char) for count, char in zip(votes, value, strict=True)) / LENGTH


def _share(count: dict[str, float], char: str) -> float:
    return count[char] / sum(count.values())


def _bonus(value: str) -> float:
    if value[0] not in CHECKED:
        return 0.0
    return _REQUIRED_BONUS if verdict(value) == "pass" else -_REQUIRED_BONUS


def _confidence(ballots: Sequence[_Ballot], votes: _Votes, at: int, char: str) -> float:
    """How far to believe one character: the surest reading, raised by others that agree, lowered by the share that does not.

    A second picture closes half of what is missing at most: the same confusion often repeats on the next picture.
    """
    worths: dict[tuple[str, int], float] = {}
    for ballot in ballots:
        if ballot.spelling.value[at] == char:
            worths[ballot.source] = max(ballot.worth(at), worths.get(ballot.source, 0.0))
    belief, *others = sorted(worths.values(), reverse=True)
    for worth in others:
        belief += (1 - belief) * worth / 2
    return belief * _share(votes[at], char)


def _objection(vin: Vin, chars: Sequence[float], behind: Sequence[_Ballot], votes: _Votes, settings: "config.Reading") -> Reason | None:
    """Why a person should look at it, or None."""
    if vin.check_digit == "fail":
        return "check_digit"
    contested = any(_share(count, char) < _CLEAR for count, char in zip(votes, vin.value, strict=True))
    # A vote that no single picture shows is a repair: for review, like any other.
    if contested or not behind:
        return "disagreement"
    return None if _is_sure(vin, min(chars), behind, settings) else "blurred"


def _is_sure(vin: Vin, lowest: float, behind: Sequence[_Ballot], settings: "config.Reading") -> bool:
    """Enough evidence to publish: high confidence, the check digit on top, or a second picture or reader that agrees.

    Where nobody knows the maker, one of these is not enough: a first letter cut in half reads as another one, and surely.
    """
    reasonable = (settings.accept_alone + settings.accept_checked) / 2
    told = [ballot for ballot in behind if ballot.spelling.confidence is not None]
    untold = [ballot for ballot in behind if ballot.spelling.confidence is None]
    agreed = len({ballot.source for ballot in (*untold, *told) if ballot in untold or ballot.lowest >= reasonable}) >= 2
    checked = vin.check_digit == "pass" and (bool(untold) or lowest >= settings.accept_checked)
    alone = bool(told) and lowest >= settings.accept_alone
    return (checked + agreed + alone) >= (1 if vin.wmi_known else 2)
