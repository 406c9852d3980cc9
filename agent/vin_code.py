"""What a barcode says beside the printed line: which words in it are VINs, and how they settle the vote."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from agent.domain import Candidate, Decision, Reading, Reason, Vin
from agent.vin_text import LENGTH, plausible

BARCODE = "barcode"  # who read it, in a reading that nobody was asked for
# Confidence of a code that proves itself, by Reed-Solomon. Code 39 checks nothing and Code 128 one sum: bars that are read wrong can
# make another VIN of them, with the maker still right.
PROVEN = 0.999

_WORD = re.compile(r"[^\W_]+")  # ends at blanks, punctuation and control characters; lower case and other scripts make it no VIN
_CAPTION = "VIN"
# Of ISO 15434: every word begins with its data identifier, that of a VIN is `I` (ANSI MH10.8.2). Seventeen characters are another
# identifier and sixteen of a part: the number of a gearbox looks much like a VIN.
_ENVELOPE = "[)>"


def words_in(text: str) -> list[str]:
    """The words of a barcode's text that hold a VIN, as they are coded.

    Nothing is folded, joined or cut to size: a code is read exactly, so a letter that no VIN has makes it another number.
    """
    words = [word for word in _WORD.findall(text) if plausible(bare(word))]
    return [word for word in words if word != bare(word)] if text.startswith(_ENVELOPE) else words


def asked(readings: Sequence[Reading]) -> list[Reading]:
    """Those that somebody was asked for: all but the barcodes'."""
    return [reading for reading in readings if reading.provider != BARCODE]


def bare(word: str) -> str:
    """The word without its import mark or caption: `I` in front is that of the data identifier, at both ends a frame."""
    if len(word) == LENGTH + 1 and word[0] == "I":
        return word[1:]
    if len(word) == LENGTH + 2 and word[0] == word[-1] == "I":
        return word[1:-1]
    return word.removeprefix(_CAPTION) if len(word) == LENGTH + len(_CAPTION) else word


def settled(voted: Decision, printed: Collection[str], codes: Sequence[Reading], describe: Callable[[str], Vin]) -> Decision:
    """What the vote over the printed line becomes beside the barcodes of the same pass; `printed` is every VIN the line was read as.

    One that agrees with any of these settles it. One alone is believed where it proves itself, or its check digit or a second
    picture does. Codes that disagree with each other or with a line that was read surely are two vehicles: for a person. A required
    check digit must hold here too. One that nothing but its shape makes a VIN, without a known maker, a right check digit or a line
    that agrees, may be the number of a part: it counts only where there is no other VIN, and goes to a person.
    """
    by_vin: dict[str, list[Reading]] = {}
    for code in codes:
        by_vin.setdefault(bare(code.text), []).append(code)
    likely = {value: each for value, each in by_vin.items() if value in printed or _is_likely(describe(value))}
    if not likely and voted.vin:
        return voted
    by_vin = likely or by_vin
    found = max(by_vin, key=lambda value: (value in printed, max(map(_worth, by_vin[value]))))
    sure = voted.vin.value if voted.vin and voted.outcome == "accepted" else None
    coded = _coded(voted, describe(found), by_vin[found], found in printed)
    if len(by_vin) > 1 or sure not in (None, found):
        base = voted if sure else coded
        return replace(base, outcome="needs_review", reason="disagreement", candidates=_beside(base.candidates, by_vin))
    return _raised(voted, coded) if sure else coded


def _is_likely(vin: Vin) -> bool:
    return vin.wmi_known or vin.check_digit == "pass"


def _worth(code: Reading) -> float:
    return min(code.confidence or (0.0,))


def _raised(voted: Decision, coded: Decision) -> Decision:
    """What was sure without the code stays as it was read, and is believed more."""
    chars = tuple(max(pair) for pair in zip(voted.char_confidence, coded.char_confidence, strict=True))
    return replace(voted, confidence=min(chars), char_confidence=chars, candidates=coded.candidates, agreeing=coded.agreeing)


def _coded(voted: Decision, vin: Vin, codes: Sequence[Reading], agrees: bool) -> Decision:
    """The decision that one VIN's codes make, with the votes of the line counted in where it agrees."""
    worth = max(map(_worth, codes))
    line = next((each for each in voted.candidates if each.vin == vin.value), None)
    # As with a second picture: half of what is missing at most.
    confidence = round((1 + worth) / 2 if agrees else worth, 4)
    reason = _objection(vin, codes, voted, agrees)
    votes = len(codes) + (line.votes if line else 0)
    others = [each for each in voted.candidates if each.vin != vin.value]
    return Decision(
        outcome="needs_review" if reason else "accepted",
        vin=vin,
        reason=reason,
        confidence=confidence,
        char_confidence=(confidence,) * LENGTH,
        raw=max(codes, key=_worth).text,
        candidates=(Candidate(vin.value, confidence, votes), *others),
        agreeing=votes,
    )


def _objection(vin: Vin, codes: Sequence[Reading], voted: Decision, agrees: bool) -> Reason | None:
    """Why a person should look at it, or None."""
    checked = vin.check_digit == "pass"
    if vin.check_digit == "fail":
        return "check_digit"
    believed = checked or max(map(_worth, codes)) >= PROVEN or len({code.image for code in codes}) > 1
    if agrees or (believed and _is_likely(vin)):
        return None
    return "disagreement" if voted.vin else "blurred"


def _beside(candidates: Sequence[Candidate], by_vin: dict[str, list[Reading]]) -> tuple[Candidate, ...]:
    """With a candidate for each barcode's VIN that has none yet."""
    known = {each.vin for each in candidates}
    missing = [Candidate(value, max(map(_worth, codes)), len(codes)) for value, codes in by_vin.items() if value not in known]
    return (*candidates, *missing)
