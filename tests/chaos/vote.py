"""R24: five pictures of a vehicle, each read with one or two letters wrong, and what the vote makes of them."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from agent import config
from agent.camera.scene import vin_of
from agent.domain import Reading
from agent.vin import judge
from agent.vin_text import ALPHABET
from tests.chaos.row import Row

FRAMES, FULL, SHORT = 5, 10_000, 600
DIGITS = ALPHABET[:10]
SERIAL = 13  # from here on a VIN has digits
_SETTINGS = config.Reading()

Sure = Callable[[random.Random, bool], float]
# How a reader tells how sure it is of a letter, which is right or wrong; None where it tells nothing.
READERS: dict[str, Sure | None] = {
    "no confidences": None,
    "uninformative ones": lambda dice, _right: dice.uniform(0.7, 1.0),
    "informative ones": lambda dice, right: dice.uniform(0.85, 1.0) if right else dice.uniform(0.3, 0.9),
}


def readings(vin: str, sure: Sure | None, dice: random.Random, *, anything: bool = False) -> list[Reading]:
    """Each of the pictures as a reader sees it that errs at random: in one character, and in every fourth picture in two."""
    return [_reading(vin, sure, image, dice, anything=anything) for image in range(FRAMES)]


def _reading(vin: str, sure: Sure | None, image: int, dice: random.Random, *, anything: bool) -> Reading:
    wrong = dice.sample(range(len(vin)), dice.choice((1, 1, 1, 2)))
    letters = [_other(letter, at, dice, anything=anything) if at in wrong else letter for at, letter in enumerate(vin)]
    confidence = tuple(sure(dice, at not in wrong) for at in range(len(vin))) if sure else None
    return Reading("".join(letters), confidence, "reader", image, None, 1)


def _other(letter: str, at: int, dice: random.Random, *, anything: bool) -> str:
    """A VIN ends in four digits; a reader that knows nothing of VINs reads `anything` there too, and the agent passes such a text over."""
    return dice.choice((DIGITS if at >= SERIAL and not anything else ALPHABET).replace(letter, ""))


def outcomes(vehicles: int, sure: Sure | None, seed: int, *, anything: bool = False) -> Counter[str]:
    """How many were told right or wrong, as accepted or for review, or not at all."""
    dice, found = random.Random(seed), Counter[str]()
    for number in range(vehicles):
        vin = vin_of(seed, number)
        decision = judge(readings(vin, sure, dice, anything=anything), _SETTINGS)
        told = "unread" if decision.vin is None else "right" if decision.vin.value == vin else "wrong"
        found[f"{told} {decision.outcome}" if decision.vin else told] += 1
    return found


def fault(_folder: Path, full: bool) -> Row:
    """Right is a VIN that was told right, as accepted or for a person to look at: where no picture shows it whole, it is for review."""
    vehicles = FULL if full else SHORT
    found = {name: outcomes(vehicles, sure, seed) for seed, (name, sure) in enumerate(READERS.items())}
    careless = {name: outcomes(vehicles, sure, seed, anything=True) for seed, (name, sure) in enumerate(READERS.items())}
    right, most = {name: _right(each) for name, each in found.items()}, max(map(_wrong, (*found.values(), *careless.values())))
    least = min(map(_right, careless.values()))
    alone = sum(each["right accepted"] for each in found.values()) / (vehicles * len(found))
    told = ", ".join(f"{name} {share:.1%}" for name, share in right.items())
    return Row(
        fault=f"{FRAMES} pictures of a vehicle, 1 or 2 characters of each read wrong",
        times=f"{vehicles} vehicles for each of {2 * len(READERS)} kinds of reader",
        lost=0,
        ok=min(right.values()) >= 0.99 and most <= 0.001,
        note=f"right with {told}, {alone:.0%} of it accepted without a person, as no picture is read whole; "
        f"{least:.1%} where letters are read among the last four digits; accepted and wrong at most {most:.2%}",
    )


def _right(found: Counter[str]) -> float:
    return (found["right accepted"] + found["right needs_review"]) / found.total()


def _wrong(found: Counter[str]) -> float:
    return found["wrong accepted"] / found.total()
