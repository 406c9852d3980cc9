"""Text that a barcode or a reader says, and what is decided of it and told."""

from agent import vin
from agent.domain import Reading
from agent.errors import Rejected
from agent.vin_code import BARCODE, words_in
from tests.fuzz.sentence import is_a_sentence
from tests.fuzz.vendors import told_of


def barcodes(data: bytes) -> None:
    """A code's text beside a line that was read."""
    text = data.decode("utf-8", "replace")[:512]
    codes = [Reading(word, (0.999,) * len(word), BARCODE, 1, None, 0) for word in words_in(text)]
    told_of((*codes, Reading(text, None, "embedded", 1, None, 3)))


def typed(data: bytes) -> None:
    """What somebody typed behind `vin-agent decode`."""
    try:
        vin.parse(data.decode("utf-8", "surrogateescape"))
    except Rejected as refusal:
        is_a_sentence(refusal, 20_000)
