"""What became of a vehicle's pictures so far, and which of them are not worth another call."""

from dataclasses import dataclass, field

from agent import config, reasons
from agent.domain import EncodedImage, Reading, Reason
from agent.errors import Rejected
from agent.ocr.calls import USED_UP
from agent.ocr.chain import Chain
from agent.vin_code import asked
from agent.vin_text import candidates_in


@dataclass(slots=True)
class Seen:
    """The readings of one vehicle; `why_not` is the reason where it is not the pictures that nothing was read."""

    images: tuple[EncodedImage, ...]
    readings: tuple[Reading, ...]
    why_not: Reason | None = None
    was_refused: bool = False
    refused_stills: set[int] = field(default_factory=set)
    looks: dict[int, Reading] = field(default_factory=dict)  # by the number of the picture: what the reader on the device saw

    def readers_of(self, image: EncodedImage) -> frozenset[str]:
        return frozenset(reading.provider for reading in asked(self.readings) if reading.image == image.number)

    def without(self, image: EncodedImage, chain: Chain) -> frozenset[str]:
        """Who has read this picture, or for money another of the same still view and found no VIN in it: that is not paid twice."""
        if image.still is None:
            return self.readers_of(image)
        alike = {each.number for each in self.images if each.still == image.still}
        futile = {each.provider for each in self.readings if each.image in alike and not candidates_in(each.text, None)}
        return self.readers_of(image) | (futile & chain.metered)

    def look_of(self, image: EncodedImage, chain: Chain) -> Reading | None:
        """What the reader on the device saw in it, where it is that one's turn: it need not look twice."""
        return self.looks.get(image.number) if comes_next(image, self, chain) == chain.local else None

    def is_hopeless(self, image: EncodedImage) -> bool:
        """Whether every reader has refused another picture of the same still view."""
        return image.still in self.refused_stills

    def refused(self, refusal: Rejected, image: EncodedImage) -> None:
        """A picture that was refused says something about itself; calls that all came to nothing, about the vendor."""
        if refusal.code != USED_UP:
            self.was_refused = True
            self.refused_stills |= set() if image.still is None else {image.still}
        self.why_not = None if self.readings or self.was_refused else "provider_down"


def comes_next(image: EncodedImage, seen: Seen, chain: Chain) -> str | None:
    asked = seen.without(image, chain)
    return next((name for name in chain.names if name not in asked), None)


def is_vetoed(image: EncodedImage, seen: Seen, chain: Chain, settings: config.Reading) -> bool:
    """Whether the reader on the device is sure that the picture is not worth a call; its reading then counts as the picture's."""
    if settings.local_veto == "never" or comes_next(image, seen, chain) not in chain.metered:
        return False
    own = next((each for each in seen.readings if each.image == image.number and each.provider == chain.local), None)
    reading = own or seen.looks.get(image.number) or chain.look(image)
    if reading is None:
        return False
    seen.looks[image.number] = reading
    if not reasons.says_other(reading) and not (settings.local_veto == "all" and reasons.says_nothing_like_it(reading)):
        return False
    if own is None:
        seen.readings = (*seen.readings, reading)
    return True


def different(images: tuple[EncodedImage, ...]) -> list[EncodedImage]:
    """Without those that are the same file: a camera that stands still must not agree with itself."""
    first: dict[bytes, EncodedImage] = {}
    for image in images:
        first.setdefault(image.jpeg, image)
    return list(first.values())
