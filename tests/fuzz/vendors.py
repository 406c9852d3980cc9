"""What OCR vendors answer: every provider's parser, and on to the decision and the event that an answer leads to."""

import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial

import httpx

from agent import config, events
from agent.document import values
from agent.domain import Reading
from agent.errors import AgentError
from agent.ocr import baidu, huawei_token, unpack
from agent.ocr.cloud import Api, Refusal, Seen, reading_of
from agent.ocr.faults import Table, error, find
from agent.ocr.http import MAX_ANSWER, Answer
from agent.ocr.tables.baidu import BAIDU
from agent.table import from_row, to_row
from agent.topics import Topics
from agent.vin import judge
from tests import clouds, samples
from tests.fuzz.sentence import is_a_sentence

STATUSES = (200, 400, 401, 403, 404, 413, 429, 500, 503, 204)
TOPICS = Topics("vinagent/v1", samples.FACTS.site, samples.FACTS.agent)
GATE = f"{TOPICS.root}/gate/{samples.CAPTURE.gate}"
NOW_S = 1_795_000_000.0


def answers(*names: str) -> Callable[[bytes], None]:
    """The parsers of some providers, as a target: the first byte chooses the HTTP status, the rest is the body."""

    @cache
    def apis() -> list[Api]:
        return [clouds.kind(name).api(clouds.settings()) for name in names]

    def target(data: bytes) -> None:
        answer = _answer(data)
        for api in apis():
            said = api.parse(answer)
            if isinstance(said, Refusal):
                refused(said, answer.status, api.table)
            else:
                read(said, api.told)

    return target


def tokens(data: bytes) -> None:
    """What a login is answered."""
    answer = _answer(data)
    for parse in (baidu.parse_token, huawei_token.parse):
        said = parse(answer)
        if isinstance(said, Refusal):
            refused(said, answer.status, BAIDU)


def _answer(data: bytes) -> Answer:
    headers = httpx.Headers({"x-request-id": "r-1", "x-subject-token": "MIIF"})
    return Answer(STATUSES[data[0] % len(STATUSES)] if data else 200, headers, data[1:], 12)


def refused(said: Refusal, status: int, table: Table) -> None:
    """An error of a vendor becomes one of ours: one line, short, and a wait that ends."""
    fault = find(table, said.code, status, said.message, now=NOW_S)
    is_a_sentence(error(fault, "vendor", said.message), 600)


def read(seen: Seen, told: tuple[str, ...]) -> None:
    """An answer that was read becomes an event like any other, whatever stands in it."""
    reading = reading_of(seen, told, "tencent", image=1, latency_ms=12)
    if seen.document:
        assert all(isinstance(text, str) for text in values(seen.document).values())
    told_of((reading,))


def told_of(readings: tuple[Reading, ...]) -> None:
    """Judged, kept and told: the topic and the names of pictures are made of nothing that a reader said."""
    decision = judge(readings, config.Reading())
    event = events.final(samples.CAPTURE, decision, readings, facts=samples.FACTS, now=samples.NOW)
    assert from_row(to_row(event.payload)) == event.payload
    topic = TOPICS.event(event)
    assert topic in (f"{GATE}/vin", f"{GATE}/unread"), topic
    assert event.payload["data"]["image"]["ref"] == f"vin/2026/03/14/{samples.READ_ID}.jpg"
    assert len(events.event_message(topic, event.payload).payload) <= events.MOST_BYTES


def heads(data: bytes) -> None:
    """A whole call: the first lines are headers of the answer, the rest is its body; learns the time, waits, signs the next call."""
    head, _, body = data[1:].partition(b"\n\n")
    lines = [line.partition(b":") for line in head.split(b"\n")]
    given = [(name.strip(), value.strip()) for name, _, value in lines if name.strip()]
    status = STATUSES[data[0] % len(STATUSES)] if data else 200

    def answered(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers=given, stream=_Wire(body))

    for name in ("aliyun", "huawei"):
        made = clouds.kind(name)(clouds.settings(), lambda _: httpx.Client(transport=httpx.MockTransport(answered)))
        with made as provider:
            for _ in range(2):
                try:
                    provider.read(_picture())
                except AgentError as trouble:
                    is_a_sentence(trouble, 600)


_picture = cache(partial(clouds.image, None))
_CODINGS = ("gzip", "deflate", "identity", "br", "zstd", "gzip, gzip", "")


class _Wire(httpx.SyncByteStream):
    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        yield from (self._data[at : at + 1000] for at in range(0, len(self._data), 1000))


def packed(data: bytes) -> None:
    """A body as it was packed for the way; what is no stream of zlib's is packed here first, so that the depths are reached too."""
    coding = _CODINGS[data[0] % len(_CODINGS)] if data else ""
    content = zlib.compress(data[2:] * (1 + data[1] * 40), wbits=31) if len(data) > 2 and data[1] > 128 else data[2:]
    response = httpx.Response(200, headers={"Content-Encoding": coding}, stream=_Wire(content), request=httpx.Request("GET", "https://v"))
    size = 0
    try:
        for part in unpack.parts(response):
            size += len(part)
            assert len(part) <= 65_536, len(part)
            if size > MAX_ANSWER:
                break
    except httpx.DecodingError:
        return
