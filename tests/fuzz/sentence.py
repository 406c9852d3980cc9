"""What every error of the agent has to be, whatever led to it: one line for a person, and a wait that ends."""

from agent.errors import AgentError
from agent.ocr.faults import LONGEST_WAIT_S


def is_a_sentence(trouble: Exception | str, longest: int = 2000) -> None:
    text = str(trouble)
    assert text.isprintable(), text
    assert 0 < len(text) < longest, len(text)
    after = trouble.after if isinstance(trouble, AgentError) else None
    assert after is None or 0 <= after <= LONGEST_WAIT_S, after
