"""When one reader's word is enough, and what to make of it where a second one was wanted and could not be had."""

from collections.abc import Sequence
from dataclasses import replace

from agent import config
from agent.domain import Decision, Reading
from agent.vin import judge
from agent.vin_code import asked


def is_enough(decision: Decision, readings: Sequence[Reading], settings: config.Reading) -> bool:
    """Whether nobody else has to be asked about this vehicle; a barcode counts as one that was.

    Where it contradicts a line that is sure enough, it goes on to do so however often the line is read.
    """
    printed = asked(readings)
    if decision.reason == "disagreement" and len(printed) < len(readings):
        decision, readings = judge(printed, settings), printed
    return decision.outcome == "accepted" and (settings.second_opinion != "always" or _is_confirmed(decision, readings, settings))


def wants_another(settings: config.Reading) -> bool:
    """Whether a picture that was read, but is not enough yet, is shown to another reader."""
    return settings.second_opinion != "never"


def concluded(decision: Decision, readings: Sequence[Reading], settings: config.Reading) -> Decision:
    """The decision when nobody else will be asked: unconfirmed is not accepted where two have to agree."""
    if decision.outcome != "accepted" or is_enough(decision, readings, settings):
        return decision
    heard = len({reading.provider for reading in readings}) > 1
    return replace(decision, outcome="needs_review", reason="disagreement" if heard else "provider_down")


def _is_confirmed(decision: Decision, readings: Sequence[Reading], settings: config.Reading) -> bool:
    """Two readers that, each for itself, come to the VIN that was decided."""
    if decision.vin is None:
        return False
    by_reader: dict[str, list[Reading]] = {}
    for reading in readings:
        by_reader.setdefault(reading.provider, []).append(reading)
    own = [judge(each, settings).candidates[:1] for each in by_reader.values()]
    return sum(best.vin == decision.vin.value for each in own for best in each) > 1
