"""What can go wrong, named for what to do next.

AgentError
├── RetryLater      the world is not ready: keep the record, wait, try again
├── Rejected        this one record can never succeed: put it aside, go on
└── NeedsOperator   a person has to change something: say so, retry slowly
    └── BadConfig   the configuration names something impossible: do not start (exit 78)
"""


class AgentError(Exception):
    """The root of everything the agent raises on purpose; its text is one sentence a person can act on.

    Where the other side said so: `after` seconds it is of no use to ask again, `tries` is how often in all the same call is worth
    making, `charged` whether it was billed. None means that nobody knows. `action` and `code` are what a provider's answer stands for
    (agent.ocr.faults) and what the vendor calls it, empty where no answer came.
    """

    def __init__(
        self,
        message: str,
        *,
        after: float | None = None,
        tries: int | None = None,
        charged: bool | None = None,
        action: str = "",
        code: str = "",
    ) -> None:
        super().__init__(message)
        self.after, self.tries, self.charged, self.action, self.code = after, tries, charged, action, code


class RetryLater(AgentError):
    """The same call may well succeed later, after `after` seconds where the other side said so."""

    @property
    def never_asked(self) -> bool:
        """Whether the way was broken before the other side: no name, no connection, somebody else's page."""
        return self.charged is False and not self.code


class Rejected(AgentError):
    """This record can never succeed, however often it is tried; `tries` above 1 where a vendor calls a fault of its own so."""


class NeedsOperator(AgentError):
    """A person has to change something first: a login, a package, a cable, a bill."""


class BadConfig(NeedsOperator):
    """The configuration is wrong; the text names file, line, key, what was expected and the nearest known key."""
