"""A provider made of a vendor's requests and answers: checks the picture, keeps the vendor's time, and mends once what can be mended."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from types import TracebackType
from typing import Protocol, Self, TypeVar

import httpx

from agent import config
from agent.bounds import Bounds
from agent.config_http import Http
from agent.document import Document, told
from agent.domain import Box, EncodedImage, Quality, Reading, Stamp
from agent.errors import NeedsOperator, Rejected, RetryLater
from agent.ocr.faults import Action, Fault, Table, error, find
from agent.ocr.http import Answer, client, send
from agent.ocr.jpeg import checked, size
from agent.ocr.vendor_clock import VendorClock
from agent.vin_text import printable

log = logging.getLogger(__name__)
T = TypeVar("T")
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a vendor's answer says: the text of the VIN, blank where there is none, and the rest of the document it stood in.

    `charged`: whether an answer without a VIN is billed, None where the vendor does not say.
    """

    text: str
    confidence: tuple[float, ...] | None = None
    request_id: str | None = None
    document: Document | None = None
    charged: bool | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a vendor's error says: its code and text; `date` is its time, where the text names it, as an HTTP date."""

    code: str
    message: str
    date: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes that are signed and sent, as they are."""

    content: bytes
    content_type: str = JSON


class Line:
    """The connection to one vendor: sends what was built, learns the time from every answer, and reads errors by the vendor's table."""

    def __init__(self, provider: str, secrets: Iterable[str], connect: Callable[[], httpx.Client]) -> None:
        self._provider, self._connect = provider, connect
        self._secrets = tuple(filter(None, secrets))
        self.clock, self.knows_time = VendorClock(), False
        self._alerted: set[str] = set()
        self._http: httpx.Client | None = None

    def open(self) -> None:
        self._http = self._connect()

    def close(self) -> None:
        if self._http:
            self._http.close()
        self._http = None

    def send(self, request: httpx.Request, secrets: Iterable[str] = (), *, again: bool = True) -> Answer:
        if self._http is None:
            raise RuntimeError(f"{self._provider} is used outside its with block")
        answer = send(self._http, request, self._provider, (*self._secrets, *secrets), again=again)
        self._learn(answer, answer.date)
        return answer

    def ask(
        self,
        build: Callable[[], httpx.Request],
        parse: Callable[[Answer], T | Refusal],
        table: Table,
        mend: Callable[[Action, int], str] = lambda _action, _status: "",
        *,
        billed: bool = False,
    ) -> tuple[T, Answer]:
        """What the vendor says to a request, which is built anew where a refusal could be mended: each way of mending is tried once.

        `mend` is given the action and the HTTP status and names what it has put right, empty for nothing. What may be `billed` is
        not sent again on a fresh connection: the chain does that, and books it.
        """
        mended: set[str] = set()
        while True:
            answer = self.send(build(), again=not billed)
            said = parse(answer)
            if not isinstance(said, Refusal):
                return said, answer
            now = float(self.clock.now())
            fault = find(table, said.code, answer.status, said.message, retry_after=answer.retry_after, now=now)
            if fault.unknown:
                self._alert(fault.code)
            how = mend(fault.action, answer.status)
            if fault.action is Action.CLOCK:
                self._learn(answer, answer.date or (said.date if answer.trusted else ""))
                how = how or "clock"
            if not how or how in mended:
                raise error(fault, self._provider, said.message, self._secrets)
            mended.add(how)

    def _alert(self, code: str) -> None:
        """Once for each code: a vendor that has changed its errors wants a newer agent, or a person who looks."""
        if code not in self._alerted:
            self._alerted.add(code)
            log.error("%s answered %s, which is in none of the agent's tables: look it up with the vendor", self._provider, code)

    def _learn(self, answer: Answer, date: str) -> None:
        if date:
            self.clock.learn(date, answer.sent_s, answer.received_s)
            self.knows_time = True


class Api(Protocol):
    """What differs from vendor to vendor; `body` and `parse` are pure."""

    name: str
    bounds: Bounds
    table: Table

    @property
    def url(self) -> str:
        """Scheme and host, without a final slash."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no text may show."""

    @property
    def price(self) -> float: ...

    @property
    def per_s(self) -> float: ...

    @property
    def told(self) -> tuple[str, ...]:
        """Fields of a document that may go into an event."""

    def body(self, jpeg: bytes) -> Body:
        """The request's body, made once for each picture."""

    def request(self, body: Body, line: Line) -> httpx.Request:
        """The signed request; may log in first."""

    def parse(self, answer: Answer) -> Seen | Refusal: ...

    def mend(self, action: Action, status: int) -> str:
        """Forget what the vendor has refused; names it, or nothing where another call would be refused as well."""

    def check(self, line: Line) -> tuple[str, ...]:
        """What can be found right without a paid call."""


class ApiClass(Protocol):
    name: str
    bounds: Bounds

    def __call__(self, settings: config.Settings) -> Api: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A provider of the registry before it is made: what `ProviderClass` asks for."""

    api: ApiClass

    @property
    def bounds(self) -> Bounds:
        return self.api.bounds

    def __call__(self, settings: config.Settings, connect: Callable[[Http], httpx.Client] = client) -> "Cloud":
        return Cloud(self.api(settings), lambda: connect(settings.http))


class Cloud:
    """Reads pictures over the network; a context manager that owns the connection."""

    metered = True

    def __init__(self, api: Api, connect: Callable[[], httpx.Client]) -> None:
        self._api = api
        self._line = Line(api.name, api.secrets, connect)
        self.name, self.bounds, self.price, self.per_s, self.url = api.name, api.bounds, api.price, api.per_s, api.url

    def __enter__(self) -> Self:
        self._line.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._line.close()

    def read(self, image: EncodedImage) -> Reading:
        """The VIN's text; raises `Rejected` where the vendor saw none, or where the picture may not be sent at all."""
        reading, seen = self._ask(image)
        if not reading.text.strip():
            raise error(Fault(Action.NOVIN, "without a VIN", _NONE, tries=1, charged=seen.charged), self.name, "")
        return reading

    def read_document(self, image: EncodedImage) -> tuple[Reading, Document]:
        """The reading, its text empty where the document has no VIN, and all of the document."""
        reading, seen = self._ask(image)
        if seen.document is None:
            raise NeedsOperator(f"{self.name} reads lines, no documents; ask one that reads licences")
        return reading, seen.document

    def _ask(self, image: EncodedImage) -> tuple[Reading, Seen]:
        api, line = self._api, self._line
        checked(image, self.bounds, self.name)
        body = api.body(image.jpeg)
        seen, answer = line.ask(lambda: api.request(body, line), api.parse, api.table, api.mend, billed=True)
        return reading_of(seen, api.told, self.name, image.number, answer.local_ms), seen

    def knows_time(self) -> bool:
        """Whether the vendor has told the time; asks for it, unpaid, where it has not yet."""
        if not self._line.knows_time:
            with suppress(RetryLater, NeedsOperator):
                self._line.send(httpx.Request("GET", f"{self.url}/"))
        return self._line.knows_time

    def check(self, call: bool = False) -> tuple[str, ...]:
        """What was found right, a sentence each, or an error about the first thing that is not; nothing is paid without `call`."""
        found = [f"{self.name} has all its keys, and they have the right shape", *self._api.check(self._line)]
        if call:
            found.append(self._tried())
        return tuple(found)

    def _tried(self) -> str:
        """One paid call; a vendor that looks at the sample and finds nothing to read is a vendor that answers."""
        try:
            reading, _ = self._ask(sample())
        except Rejected as refused:
            if refused.action not in (Action.NOVIN, Action.REJECT):
                raise
            return f"{self.name} takes our calls; of the sample it says: {refused}"
        return f"{self.name} read the sample: {printable(reading.text) or 'no VIN'}"


def reading_of(seen: Seen, named: Iterable[str], provider: str, image: int, latency_ms: int) -> Reading:
    """What is kept of an answer; of text beyond any page's, which would have to be searched for VINs, only the beginning is."""
    confidence = seen.confidence[:_LONGEST] if seen.confidence else seen.confidence
    fields = told(seen.document, named) if seen.document else ()
    request_id = seen.request_id[:_LONGEST_ID] if seen.request_id else seen.request_id
    return Reading(seen.text[:_LONGEST], confidence, provider, image, request_id, latency_ms, fields)


_LONGEST, _LONGEST_ID = 4000, 200  # characters
_NONE = "the picture shows none that it can read; another picture or another reader may do"


def sample() -> EncodedImage:
    """A small picture of a VIN, for a call that is made to see whether calls work."""
    jpeg = resources.files("agent.ocr").joinpath("sample.jpg").read_bytes()
    width, height = size(jpeg)
    line = Box(40, height / 2 - 20, width - 80, 40)
    return EncodedImage("sample", 0, Stamp(0, 0, "", "unknown"), jpeg, width, height, line, Quality(0.0, (width - 80, 40), 0.0))
