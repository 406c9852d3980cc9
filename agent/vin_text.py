"""From the text a reader saw to spellings of a VIN, each with its evidence: nothing is repaired, a folded character stays visible."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

ALPHABET = "0123456789ABCDEFGHJKLMNPRSTUVWXYZ"
LENGTH = 17

# Letters a VIN cannot hold, and the digits they are taken for (ISO 3779 leaves them out because they look alike).
FOLDED = {"I": "1", "O": "0", "Q": "0"}
_KNOWN = set(ALPHABET) | set(FOLDED)
_CAPTIONS = ("VIN", "V1N")
_SURPLUS = 3  # stamped asterisks read as X, the bars of a frame or an import mark read as I: never more than this

# What a character is still worth after a rule was needed to make it part of a VIN.
_FOLD, _TRIM, _JOIN, _WORD = 0.98, 0.98, 0.97, 0.85


@dataclass(frozen=True, slots=True)
class Spelling:
    """Seventeen characters that a text supports, what each is worth (0…1) where the reader told, and the text as it was read."""

    value: str
    confidence: tuple[float, ...] | None
    raw: str

    @property
    def lowest(self) -> float | None:
        return None if self.confidence is None else min(self.confidence)


@dataclass(frozen=True, slots=True)
class _Mark:
    """One character as it was read, where in the text, and what it is worth."""

    char: str
    at: int
    worth: float


_Token = tuple[_Mark, ...]


def candidates_in(text: str, confidence: tuple[float, ...] | None) -> list[Spelling]:
    """Every spelling of a VIN in raw text, surest first; `confidence` has one value per character of the text, or is None.

    A weaker rule is only asked where the stronger ones found nothing: a token of its own, a token with a surplus at its
    ends, neighbouring tokens of one line. No window slides over longer text: that manufactures valid check digits.
    """
    worth = confidence if confidence is not None and len(confidence) == len(text) else None
    lines = _lines(text, worth)
    for rule in (_alone, _trimmed, _joined):
        found: dict[str, Spelling] = {}
        for line in lines:
            for marks, keeps in rule(line):
                spelling = _spell(text, marks, None if worth is None else keeps)
                if plausible(spelling.value) and _surer(spelling, found.get(spelling.value)):
                    found[spelling.value] = spelling
        if found:
            return sorted(found.values(), key=lambda spelling: -(spelling.lowest or 0.0))
    return []


def plausible(value: str) -> bool:
    """The shape of a VIN beyond its alphabet: it ends in four digits, its maker code has a letter, and it is not one pattern."""
    fits = len(value) == LENGTH and set(value) <= set(ALPHABET)
    return fits and value[-4:].isdigit() and not value[:3].isdigit() and len(set(value)) >= 5


def printable(text: str) -> str:
    """Foreign text as a terminal may be shown it: control characters, which could write anywhere on it, are blanks."""
    return "".join(char if char.isprintable() else " " for char in text)


def folded(text: str) -> str:
    """The text with I, O and Q taken for the digits they look like."""
    return "".join(FOLDED.get(char, char) for char in text)


def _surer(spelling: Spelling, known: Spelling | None) -> bool:
    return known is None or (spelling.lowest or 0.0) > (known.lowest or 0.0)


def _lines(text: str, worth: tuple[float, ...] | None) -> list[list[_Token]]:
    """The tokens of each line; whatever a VIN cannot hold, a blank or an asterisk, ends a token and is dropped."""
    lines: list[list[_Token]] = [[]]
    token: list[_Mark] = []
    for at, read in enumerate(text + "\n"):
        char = unicodedata.normalize("NFKC", read).upper()  # full-width characters come from readers made for Chinese text
        if char in _KNOWN:
            token.append(_Mark(char, at, 1.0 if worth is None else min(1.0, max(0.0, worth[at]))))
            continue
        if token:
            lines[-1].append(tuple(token))
            token = []
        if read in "\r\n":
            lines.append([])
    return lines


def _spell(text: str, marks: _Token, keeps: float | None) -> Spelling:
    """`keeps` is the share of its worth that every character keeps, None where the reader told no confidence."""
    value = folded("".join(mark.char for mark in marks))
    raw = text[marks[0].at : marks[-1].at + 1]
    if keeps is None:
        return Spelling(value, None, raw)
    return Spelling(value, tuple(keeps * mark.worth * (_FOLD if mark.char in FOLDED else 1.0) for mark in marks), raw)


def _body(token: _Token) -> _Token:
    """The token without the caption that was printed too close to it."""
    glued = "".join(mark.char for mark in token[:3]) in _CAPTIONS and len(token) >= LENGTH + 3
    return token[3:] if glued else token


def _alone(tokens: list[_Token]) -> Iterator[tuple[_Token, float]]:
    """A token that has the right length by itself."""
    yield from ((body, 1.0) for body in map(_body, tokens) if len(body) == LENGTH)


def _trimmed(tokens: list[_Token]) -> Iterator[tuple[_Token, float]]:
    """A token a little too long, where everything too much is a mark that readers make of asterisks and frames."""
    for body in map(_body, tokens):
        surplus = len(body) - LENGTH
        if not 1 <= surplus <= _SURPLUS:
            continue
        for front in range(surplus + 1):
            head, tail = body[:front], body[front + LENGTH :]
            if _is_decoration({mark.char for mark in head}, {mark.char for mark in tail}):
                yield body[front : front + LENGTH], _TRIM**surplus


def _is_decoration(head: set[str], tail: set[str]) -> bool:
    """Asterisks at either end, the import mark in front, or bars on both sides; the closing bar may look like a one."""
    return head <= {"I", "X"} and tail <= ({"I", "1", "X"} if "I" in head else {"X"})


def _joined(tokens: list[_Token]) -> Iterator[tuple[_Token, float]]:
    """Neighbouring tokens that add up: a VIN printed in groups, or a gap taken for a blank."""
    for first in range(len(tokens)):
        marks, keeps = tokens[first], _word(tokens[first])
        for token in tokens[first + 1 :]:
            marks, keeps = marks + token, keeps * _JOIN * _word(token)
            if len(marks) > LENGTH + _SURPLUS + 3:
                break
            yield from ((body, keeps * share) for rule in (_alone, _trimmed) for body, share in rule([marks]))


def _word(token: _Token) -> float:
    """A piece of letters alone is more likely a word beside a serial number than a part of a VIN."""
    return _WORD if len(token) >= 4 and all(mark.char.isalpha() for mark in token) else 1.0
