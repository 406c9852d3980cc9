"""Readers for tests that are about whom to ask, and when."""

from types import TracebackType
from typing import Self

from agent.bounds import Bounds
from agent.domain import EncodedImage, Reading
from agent.errors import AgentError


class Scripted:
    """A provider that answers as a list says: a text is read, an error is raised."""

    bounds = Bounds()
    per_s = 0.0
    url = ""

    def __init__(self, name: str, *answers: str | AgentError, price: float = 0.0, metered: bool = True) -> None:
        self.name, self.price, self.metered = name, price, metered
        self.answers, self.calls, self.open = list(answers), 0, False
        self.time_known = False

    def __enter__(self) -> Self:
        self.open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.open = False

    def read(self, image: EncodedImage) -> Reading:
        self.calls += 1
        answer = self.answers.pop(0)
        if isinstance(answer, AgentError):
            raise answer
        return Reading(answer, None, self.name, image.number, None, 1)

    def knows_time(self) -> bool:
        return self.time_known

    def check(self, call: bool = False) -> tuple[str, ...]:
        return (f"{self.name} would be called" if call else f"{self.name} is there",)
