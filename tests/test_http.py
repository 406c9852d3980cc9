"""The way to a vendor and back, over real sockets, with everything on it that can go wrong."""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from agent import promise
from agent.config_http import Http
from agent.errors import AgentError, BadConfig, NeedsOperator, RetryLater
from agent.ocr.faults import LONGEST_WAIT_S
from agent.ocr.http import MAX_ANSWER, Answer, client, send
from agent.ocr.vendor_clock import VendorClock
from agent.settings import Secret
from tests.broker import Authority
from tests.rude import Behaviour, Rude, Talk, answers, proxy, reply
from tests.servers import refusing_port, until

HASTY = Http(connect_s=0.5, read_s=0.4, write_s=0.4, pool_s=0.4, total_s=2.0)
SECRETS = ("AKIDSECRETID", "hunter2!")
PICTURE = b"/9j/PICTURE" * 50


def ask(http: httpx.Client, url: str, body: bytes = PICTURE, *, again: bool = True) -> Answer:
    headers = {"Authorization": "TC3 Credential=AKIDSECRETID", "X-Auth-Token": "hunter2!", "Content-Type": "application/json"}
    return send(http, http.build_request("POST", url, content=body, headers=headers), "tencent", SECRETS, again=again)


def refused(kind: type[AgentError], url: str, settings: Http = HASTY, body: bytes = PICTURE) -> AgentError:
    """The error of one call; it names provider and host, in one line, and nothing that is secret."""
    with client(settings) as http, pytest.raises(AgentError) as caught:
        ask(http, url, body)
    assert type(caught.value) is kind, caught.value
    text = str(caught.value)
    assert text.startswith(f"tencent ({httpx.URL(url).host}): ")
    assert "\n" not in text
    for secret in (*SECRETS, "QUERYSECRET", "/9j/", "/v1/read"):
        assert secret not in text
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def seconds(kind: type[AgentError], url: str, settings: Http = HASTY, body: bytes = PICTURE) -> tuple[AgentError, float]:
    started = time.monotonic()
    return refused(kind, url, settings, body), time.monotonic() - started


def silent(talk: Talk) -> None:
    talk.request()
    talk.wait()


def deaf(talk: Talk) -> None:
    talk.wait()


def hang_up(talk: Talk) -> None:
    talk.request()


def called_here(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a name mean this machine."""
    real = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host == name else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_an_answer_comes_back_as_it_was_sent_whatever_its_status() -> None:
    replies = (reply(), reply(b'{"error_code":"AIS.0104"}', "400 Bad Request"), reply(b"oops", "500 Oops"))
    with Rude(answers(*replies)) as server, client(HASTY) as http:
        first, second, third = (ask(http, server.url) for _ in range(3))

    assert (first.status, first.body, first.fields()) == (200, b'{"ok":1}', {"ok": 1})
    assert (second.status, second.fields()) == (400, {"error_code": "AIS.0104"})
    assert (third.status, third.body, third.fields()) == (500, b"oops", {})
    assert first.headers["content-type"] == "application/json"
    assert 0 <= first.local_ms < 2000
    assert first.sent_s <= first.received_s <= second.sent_s


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b"null", b"\xff\xfe", b"[" * 200_000, b"{", b""])
def test_a_body_that_is_no_object_has_no_fields(body: bytes) -> None:
    assert Answer(200, httpx.Headers(), body, 1).fields() == {}


def test_the_request_on_the_wire_is_the_one_that_was_signed() -> None:
    seen: list[bytes] = []

    def listen(talk: Talk) -> None:
        seen.append(talk.request())
        talk.say(reply())

    with Rude(listen) as server, client(HASTY) as http:
        ask(http, server.url)

    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert body == PICTURE
    assert lines[0] == b"post /v1/read?token=querysecret http/1.1"
    assert b"content-length: %d" % len(PICTURE) in lines
    assert b"content-type: application/json" in lines
    assert b"host: 127.0.0.1:%d" % server.port in lines
    assert b"accept-encoding: identity" in lines
    assert not any(line.startswith(b"transfer-encoding") for line in lines)


# Nothing is there, or nothing answers.


def test_where_nothing_listens_nothing_was_billed() -> None:
    trouble = refused(RetryLater, f"http://127.0.0.1:{refusing_port()}/v1/read")

    assert "no connection (Connection refused)" in str(trouble)
    assert (trouble.tries, trouble.charged) == (None, False)


def test_a_host_that_takes_no_connection_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first, socket.socket() as second:
        port = full.getsockname()[1]
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        trouble, took = seconds(RetryLater, f"http://127.0.0.1:{port}/v1/read")

    assert "nothing answers there" in str(trouble)
    assert 0.4 < took < 1.5
    assert trouble.charged is False


def test_a_name_without_address_is_told_apart_from_a_dead_host() -> None:
    trouble = refused(RetryLater, "http://no-such-host.invalid/v1/read")

    assert "its name has no address" in str(trouble)
    assert trouble.charged is False


def test_a_resolver_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def think(*_: object, **__: object) -> list[object]:
        released.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", think)
    try:
        trouble, took = seconds(RetryLater, "http://ocr.example/v1/read")
    finally:
        released.set()

    assert "nothing answers there" in str(trouble)
    assert 0.4 < took < 1.5


def test_a_host_with_a_dead_address_is_reached_at_its_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def two(host: str, port: int, *rest: Any, **more: Any) -> Any:
        found = [address for each in ("127.0.0.9", "127.0.0.1") for address in real(each, port, *rest, **more)]
        return found if host == "ocr.example" else real(host, port, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with Rude(answers(reply())) as server, client(HASTY) as http:
        assert ask(http, server.url.replace("127.0.0.1", "ocr.example")).status == 200


def test_a_silent_server_is_given_up_and_asked_once_more_at_most() -> None:
    with Rude(silent) as server:
        trouble, took = seconds(RetryLater, server.url)

    assert "no complete answer in time; the vendor may have finished the call and billed it" in str(trouble)
    assert (trouble.tries, trouble.charged) == (2, None)
    assert 0.3 < took < 1.5
    assert server.connections == 1


# Everything takes too long, though each step does not.

SLOW = Http(connect_s=5, read_s=5, write_s=5, pool_s=5, total_s=0.6)


def dripping_head(talk: Talk) -> None:
    talk.request()
    talk.drip(reply())


def dripping_body(talk: Talk) -> None:
    talk.request()
    talk.say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
    talk.drip(b"{" + b" " * 999)


def sipping(talk: Talk) -> None:
    talk.caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    while not talk.wait(0.05) and talk.caller.recv(1024):
        pass


@pytest.mark.parametrize(
    ("behaviour", "body"),
    [
        pytest.param(dripping_head, PICTURE, id="an answer's head, byte by byte"),
        pytest.param(dripping_body, PICTURE, id="an answer's body, byte by byte"),
        pytest.param(sipping, bytes(8_000_000), id="a picture taken in sips"),
    ],
)
def test_the_whole_call_is_over_when_its_time_is_over(behaviour: Behaviour, body: bytes) -> None:
    with Rude(behaviour) as server:
        trouble, took = seconds(RetryLater, server.url, SLOW, body)

    assert 0.5 < took < 1.5
    assert trouble.tries == 2


def test_a_picture_that_does_not_leave_in_time_says_so() -> None:
    with Rude(deaf) as server:
        trouble, took = seconds(RetryLater, server.url, body=bytes(8_000_000))

    assert "the picture could not be sent in time" in str(trouble)
    assert took < 2.0


def test_a_second_try_has_only_the_time_the_first_left() -> None:
    def answer_then_hang_up_late(talk: Talk) -> None:
        talk.request()
        talk.say(reply())
        talk.request()
        talk.wait(0.4)

    with Rude(answer_then_hang_up_late, silent) as server, client(SLOW) as http:
        ask(http, server.url)
        started = time.monotonic()
        with pytest.raises(RetryLater):
            ask(http, server.url)

        assert 0.5 < time.monotonic() - started < 0.95
    assert server.connections == 2


# Connections that are kept, and connections that break.


@pytest.mark.parametrize("behaviour", [answers(reply()), silent])
def test_a_call_promises_all_the_time_it_may_take_and_nothing_once_it_is_over(behaviour: Behaviour) -> None:
    promised: list[float] = []
    promise.heard_by(promised.append)
    try:
        with Rude(behaviour) as server, client(HASTY) as http, contextlib.suppress(RetryLater):
            ask(http, server.url)
    finally:
        promise.heard_by(lambda _seconds: None)
    assert promised == [HASTY.total_s, 0.0]


def test_a_connection_is_kept_for_the_next_call() -> None:
    with Rude(answers(*[reply()] * 5)) as server, client(HASTY) as http:
        for _ in range(5):
            ask(http, server.url)

    assert server.connections == 1


def test_a_connection_idle_for_too_long_is_not_used_again() -> None:
    with Rude(answers(reply(), reply())) as server, client(Http(keepalive_s=0.05)) as http:
        ask(http, server.url)
        time.sleep(0.1)
        ask(http, server.url)

    assert server.connections == 2


def answer_then_take_one_and_hang_up(talk: Talk) -> None:
    talk.request()
    talk.say(reply())
    talk.request()


def test_a_kept_connection_that_proves_stale_is_replaced_once() -> None:
    with Rude(answer_then_take_one_and_hang_up, answers(reply(b'{"fresh":1}'))) as server, client(HASTY) as http:
        ask(http, server.url)

        assert ask(http, server.url).fields() == {"fresh": 1}
    assert server.connections == 2


def test_a_stale_connection_is_left_to_a_caller_who_books_each_call() -> None:
    with Rude(answer_then_take_one_and_hang_up, answers(reply())) as server, client(HASTY) as http:
        ask(http, server.url)
        with pytest.raises(RetryLater) as caught:
            ask(http, server.url, again=False)

    assert (caught.value.after, caught.value.tries) == (0.0, 2)
    assert server.connections == 1


def test_two_stale_connections_in_a_row_are_not_a_loop() -> None:
    with Rude(answer_then_take_one_and_hang_up, hang_up) as server, client(HASTY) as http:
        ask(http, server.url)
        with pytest.raises(RetryLater):
            ask(http, server.url)

    assert server.connections == 2


@pytest.mark.parametrize(
    "parting",
    [
        pytest.param(b"", id="without a word"),
        pytest.param(b"HTTP/1.1 200 OK\r\nConte", id="in the middle of the head"),
        pytest.param(reply(length=500), id="in the middle of the body"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", id="after speaking another protocol"),
    ],
)
def test_a_fresh_connection_that_breaks_is_not_tried_again_at_once(parting: bytes) -> None:
    with Rude(answers(parting)) as server:
        trouble = refused(RetryLater, server.url)

    assert "the connection broke before the answer was complete" in str(trouble)
    assert trouble.tries == 2
    assert server.connections == 1


def test_a_kept_connection_that_breaks_in_the_middle_of_an_answer_is_not_tried_again_at_once() -> None:
    with Rude(answers(reply(), reply(length=500)), answers(reply())) as server, client(HASTY) as http:
        ask(http, server.url)
        with pytest.raises(RetryLater):
            ask(http, server.url)

    assert server.connections == 1


def test_no_connection_and_no_thread_is_left_behind() -> None:
    def bad_day() -> None:
        with Rude(silent) as server, client(Http(read_s=0.1, total_s=0.1)) as http, pytest.raises(RetryLater):
            ask(http, server.url)

    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    bad_day()
    # Threads of the tests before may still be leaving: only what grows with every bad day is a leak.
    before, days = held(), 10
    for _ in range(days):
        bad_day()

    assert until(lambda: all(now < was + days // 2 for was, now in zip(before, held(), strict=True))), f"{before} became {held()}"


# Somebody else answers.


def endless(talk: Talk) -> None:
    talk.request()
    talk.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not talk.wait(0):
        talk.say(b"10000\r\n" + b" " * 65_536 + b"\r\n")


@pytest.mark.parametrize("behaviour", [answers(reply(b"x" * (MAX_ANSWER + 1))), endless], ids=["too long", "without end"])
def test_an_answer_too_large_is_put_down(behaviour: Behaviour) -> None:
    with Rude(behaviour) as server:
        trouble, took = seconds(RetryLater, server.url)

    assert "this is no answer of an OCR service" in str(trouble)
    assert took < 1.5


def test_the_largest_answer_is_taken() -> None:
    with Rude(answers(reply(b"x" * MAX_ANSWER))) as server, client(HASTY) as http:
        assert len(ask(http, server.url).body) == MAX_ANSWER


def test_an_answer_packed_otherwise_than_it_says_is_no_answer() -> None:
    with Rude(answers(reply(b"not gzip", "200 OK", "Content-Encoding: gzip"))) as server:
        assert "this is no answer of an OCR service" in str(refused(RetryLater, server.url))


HTML = b"<!DOCTYPE html><html><body>Welcome to the yard's guest network, hunter2! " + PICTURE + b"</body></html>"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(reply(HTML, "200 OK", "Content-Type: text/html"), id="a page"),
        pytest.param(reply(b"\r\n " + HTML), id="a page said to be JSON"),
        pytest.param(reply(b"log in first", "200 OK", "Content-Type: text/html; charset=gbk"), id="a page without tags"),
        pytest.param(reply(HTML, "511 Network Authentication Required"), id="the status made for it"),
    ],
)
def test_a_captive_portal_is_recognised(page: bytes) -> None:
    with Rude(answers(page)) as server:
        assert "a web page came instead of an answer" in str(refused(RetryLater, server.url))


@pytest.mark.parametrize(
    ("location", "shown"),
    [("http://login.yard.example/?q=hunter2!", "login.yard.example"), ("/login", "nowhere")],
)
def test_a_redirect_is_not_followed(location: str, shown: str) -> None:
    with Rude(answers(reply(b"", "302 Found", f"Location: {location}"))) as server:
        trouble = refused(RetryLater, server.url)

    assert f"redirects to {shown};" in str(trouble)
    assert server.connections == 1


def test_a_redirect_to_nothing_is_no_answer_either() -> None:
    with Rude(answers(reply(b"", "302 Found", "Location: http://[hunter2!"))) as server:
        refused(RetryLater, server.url)


def test_a_gateways_error_page_is_left_to_the_vendors_table() -> None:
    with Rude(answers(reply(HTML, "502 Bad Gateway", "Content-Type: text/html"))) as server, client(HASTY) as http:
        assert (ask(http, server.url).status, ask(http, server.url).fields()) == (502, {})


def test_json_that_is_called_a_page_is_an_answer() -> None:
    with Rude(answers(reply(b'{"ok":1}', "200 OK", "Content-Type: text/html"))) as server, client(HASTY) as http:
        assert ask(http, server.url).fields() == {"ok": 1}


# When to come back, and what time it is.

DATE = formatdate(1699979400, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (["Retry-After: 7"], 7.0),
        (["Retry-After: 0"], 0.0),
        (["Retry-After: 99999999999"], LONGEST_WAIT_S),
        ([f"Retry-After: {formatdate(1699979400 + 90, usegmt=True)}", f"Date: {DATE}"], 90.0),
        ([f"Retry-After: {formatdate(1699979400 - 90, usegmt=True)}", f"Date: {DATE}"], 0.0),
        ([f"Retry-After: {formatdate(1699979400 + 10**7, usegmt=True)}", f"Date: {DATE}"], LONGEST_WAIT_S),
        (["Retry-After: soon"], None),
        (["Retry-After: -5"], None),
        ([], None),
    ],
)
def test_a_vendor_says_when_to_come_back(headers: list[str], wait: float | None) -> None:
    with Rude(answers(reply(b"{}", "429 Too Many Requests", *headers))) as server, client(HASTY) as http:
        answer = ask(http, server.url)

    assert (answer.status, answer.retry_after) == (429, wait)


def test_a_date_to_come_back_counts_from_the_devices_clock_where_the_answer_has_none() -> None:
    answer = Answer(429, httpx.Headers({"retry-after": formatdate(time.time() + 60, usegmt=True)}), b"", 1)

    assert answer.retry_after is not None
    assert 55 < answer.retry_after <= 60


def test_the_time_is_learnt_from_an_answer_over_loopback() -> None:
    clock = VendorClock()
    with Rude(answers(reply(b"{}", "200 OK", f"Date: {DATE}"))) as server, client(HASTY) as http:
        answer = ask(http, server.url)

    clock.learn(answer.date, answer.sent_s, answer.received_s)
    assert abs(clock.now() - 1699979400) <= 2


def test_the_time_is_not_learnt_from_an_answer_anybody_could_have_dated(monkeypatch: pytest.MonkeyPatch) -> None:
    called_here("ocr.example", monkeypatch)
    with Rude(answers(reply(b"{}", "200 OK", f"Date: {DATE}"))) as server, client(HASTY) as http:
        answer = ask(http, server.url.replace("127.0.0.1", "ocr.example"))

    assert (answer.headers["date"], answer.date) == (DATE, "")


# TLS.


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> tuple[Path, Path]:
    return authority.issue("vendor")


def trusting(authority: Authority) -> Http:
    return Http(ca_file=str(authority.file), connect_s=2, read_s=2, total_s=4)


def test_a_vendor_behind_an_own_authority_is_believed_when_its_file_is_named(authority: Authority, certificate: tuple[Path, Path]) -> None:
    with Rude(answers(reply(b"{}", "200 OK", f"Date: {DATE}")), tls=certificate) as server, client(trusting(authority)) as http:
        answer = ask(http, server.url)

    assert (answer.status, answer.date) == (200, DATE)


def test_a_certificate_nobody_vouches_for_stops_the_provider_and_names_clock_and_proxy(certificate: tuple[Path, Path]) -> None:
    with Rude(answers(reply()), tls=certificate) as server:
        text = str(refused(NeedsOperator, server.url))

    assert "its certificate is not believed (" in text
    assert "set the clock of this device, which shows 20" in text
    assert "http.ca_file" in text


def test_a_certificate_that_has_expired_is_said_to_be_so(authority: Authority) -> None:
    with Rude(answers(reply()), tls=authority.issue("late", -40, -10)) as server:
        assert "certificate has expired" in str(refused(NeedsOperator, server.url, trusting(authority)))


def test_a_certificate_that_is_not_valid_yet_is_waited_for_as_the_clock_may_be_behind(authority: Authority) -> None:
    with Rude(answers(reply()), tls=authority.issue("early", 10, 40)) as server:
        trouble = refused(RetryLater, server.url, trusting(authority))
    assert "its certificate is not valid yet; the clock of this device shows 20" in str(trouble)
    assert trouble.charged is False


def test_a_certificate_for_another_host_is_not_believed(
    authority: Authority, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    called_here("ocr.example", monkeypatch)
    with Rude(answers(reply()), tls=certificate) as server:
        text = str(refused(NeedsOperator, server.url.replace("127.0.0.1", "ocr.example"), trusting(authority)))

    assert "not valid for 'ocr.example'" in text


def test_a_server_that_speaks_no_tls_is_tried_later() -> None:
    with Rude(lambda talk: talk.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as server:
        assert "no connection (" in str(refused(RetryLater, server.url.replace("http:", "https:")))


def test_a_handshake_that_never_ends_is_given_up_in_time() -> None:
    with Rude(deaf) as server:
        trouble, took = seconds(RetryLater, server.url.replace("http:", "https:"))

    assert "nothing answers there" in str(trouble)
    assert took < 1.5


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["missing", "no PEM"])
def test_an_authority_that_cannot_be_used_is_a_fault_of_the_settings(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)

    with pytest.raises(BadConfig, match=r"http\.ca_file: .*ca\.pem cannot be used: .*; name a PEM file"):
        client(Http(ca_file=str(file)))


# Proxies.


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def asked() -> list[str]:
    """What the proxy of a test was asked for."""
    return []


@pytest.fixture
def vendor(certificate: tuple[Path, Path]) -> Iterator[Rude]:
    with Rude(answers(reply()), tls=certificate) as server:
        yield server


def through(address: str, authority: Authority) -> Http:
    return Http(proxy=Secret(address), ca_file=str(authority.file), connect_s=2, read_s=2, total_s=4)


def test_a_call_goes_through_the_proxy_with_its_login(vendor: Rude, authority: Authority, asked: list[str]) -> None:
    with Rude(proxy(asked, "gate:pass")) as between, client(through(f"http://gate:pass@127.0.0.1:{between.port}", authority)) as http:
        assert ask(http, vendor.url).status == 200

    assert asked == [f"CONNECT 127.0.0.1:{vendor.port} HTTP/1.1"]


@pytest.mark.parametrize("tls", [True, False], ids=["tunnel", "plain"])
def test_a_proxy_that_wants_a_login_is_a_matter_for_the_operator(tls: bool, vendor: Rude, authority: Authority, asked: list[str]) -> None:
    url = vendor.url if tls else vendor.url.replace("https:", "http:")
    with Rude(proxy(asked, "gate:pass")) as between:
        trouble = refused(NeedsOperator, url, through(f"http://127.0.0.1:{between.port}", authority))

    assert str(trouble).endswith("the proxy wants a log-in; put user and password into http.proxy")
    assert vendor.connections == 0


def test_a_proxy_that_is_gone_is_tried_later(vendor: Rude, authority: Authority) -> None:
    trouble = refused(RetryLater, vendor.url, through(f"http://127.0.0.1:{refusing_port()}", authority))

    assert "check the network, the proxy" in str(trouble)
    assert trouble.charged is False


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("trust", [True, False])
def test_the_environments_proxy_counts_only_when_the_settings_say_so(
    trust: bool, vendor: Rude, authority: Authority, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Rude(proxy(asked)) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{between.port}")
        with client(Http(trust_env=trust, ca_file=str(authority.file))) as http:
            assert ask(http, vendor.url).status == 200

    assert bool(asked) is trust


def test_the_deadline_holds_behind_a_proxy_too(authority: Authority, certificate: tuple[Path, Path], asked: list[str]) -> None:
    with Rude(dripping_head, tls=certificate) as vendor, Rude(proxy(asked)) as between:
        settings = Http(proxy=Secret(f"http://127.0.0.1:{between.port}"), ca_file=str(authority.file), total_s=0.6)
        _, took = seconds(RetryLater, vendor.url, settings)

    assert asked
    assert took < 1.5


@pytest.mark.parametrize("address", ["proxy.example:3128", "socks5://gate:pass@proxy.example", "http://", "http://[gate:pass"])
def test_a_proxy_that_is_no_address_is_a_fault_of_the_settings(address: str) -> None:
    with pytest.raises(BadConfig, match=r"http\.proxy must be an address like") as caught:
        client(Http(proxy=Secret(address)))
    assert "gate:pass" not in str(caught.value)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize("address", ["socks5://gate:secretpass@proxy.example", "quic://gate:secretpass@proxy.example"])
def test_a_proxy_of_the_environment_that_cannot_be_used_is_told_without_its_login(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", address)

    with pytest.raises(BadConfig, match=r"http\.trust_env: a proxy in the environment") as caught:
        client(Http(trust_env=True))
    assert "secretpass" not in str(caught.value)
    with client(Http()):
        pass


# Requests that cannot be sent, and what is told to whom.


def test_a_key_with_a_line_break_is_a_matter_for_the_operator() -> None:
    with Rude(answers(reply())) as server, client(HASTY) as http, pytest.raises(NeedsOperator) as caught:
        send(http, http.build_request("POST", server.url, headers={"X-Auth-Token": "hunter2!\nx"}), "huawei", SECRETS)

    assert "check address, keys and tokens for line breaks" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_an_address_that_is_no_web_address_is_a_matter_for_the_operator() -> None:
    assert "this is no request that can be sent" in str(refused(NeedsOperator, "ftp://ocr.example/v1/read"))


def test_no_log_shows_a_secret_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), Rude(answers(reply()), silent) as server, client(HASTY) as http:
        ask(http, server.url)
        with pytest.raises(RetryLater):
            ask(http, server.url)

    for secret in (*SECRETS, "QUERYSECRET", "/9j/"):
        assert secret not in caplog.text


def test_the_time_outs_are_those_of_the_house_unless_the_settings_say_otherwise() -> None:
    with client(Http()) as http:
        assert http.timeout == httpx.Timeout(connect=3, read=15, write=15, pool=3)
    assert (Http().total_s, Http().keepalive_s, Http().trust_env) == (25.0, 5.0, False)
