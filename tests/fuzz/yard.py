"""What the yard, or whoever may write there, sends as a command."""

from agent import commands
from agent.commands import Command, Refusal
from tests.fuzz.sentence import is_a_sentence

NAMES = (*commands.KINDS, "reed_now", "camera/", "../x", "#")


def command(data: bytes) -> None:
    """The first byte chooses the name, or that the first line is one; the rest is the payload."""
    if data and data[0] > 200:
        first, _, payload = data[1:].partition(b"\n")
        name = first.decode("utf-8", "replace")
    else:
        name, payload = NAMES[data[0] % len(NAMES) if data else 0], data[1:]
    assert commands.moment_ms(payload.decode("utf-8", "replace")) is None or payload.strip()
    said = commands.parse(name, payload)
    if isinstance(said, Refusal):
        is_a_sentence(said.why, 400)
        assert said.name in ("", name)
        assert len(said.txn) <= commands.MOST_TXN
        return
    assert isinstance(said, Command)
    assert said.name in commands.KINDS
    assert set(said.args) <= set(commands.KINDS[said.name].arguments)
