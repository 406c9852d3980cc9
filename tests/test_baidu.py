"""Baidu's vin_code: a token in the address, the picture in a form."""

import base64
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, parse_qsl

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr.baidu import Token, VinCode, parse, parse_token
from agent.ocr.cloud import Refusal, Seen
from agent.settings import Secret
from tests.clouds import VIN, answer, at, fixture, image, jpeg, kind, settings, stubbed
from tests.vendors.baidu import FORM_LIMIT, SHAPES
from tests.vendors.server import VendorServer


@pytest.fixture(scope="module")
def running() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as running:
        yield running


@pytest.fixture
def server(running: VendorServer) -> Iterator[VendorServer]:
    yield running
    running.shape("baidu")
    running.world.reader = lambda _: VIN
    running.heal()


def test_the_picture_goes_as_an_escaped_form_and_the_token_in_the_address() -> None:
    requests: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=fixture("baidu", "token" if "oauth" in request.url.path else "vin"))

    with stubbed("baidu", reply) as provider:
        assert provider.read(image()).text == VIN
        provider.read(image(jpeg(seed=2)))
    assert [request.url.path for request in requests] == ["/oauth/2.0/token", "/rest/2.0/ocr/v1/vin_code", "/rest/2.0/ocr/v1/vin_code"]
    assert {request.url.host for request in requests} == {"aip.baidubce.com"}
    assert parse_qs(requests[0].url.query.decode())["grant_type"] == ["client_credentials"]
    assert dict(requests[1].url.params) == {"access_token": "24.6c5e1ff107f0e8bcef8c46d3424a0e78"}
    assert requests[1].headers["Content-Type"] == "application/x-www-form-urlencoded"
    fields = dict(parse_qsl(requests[1].content.decode()))
    assert list(fields) == ["image"]
    assert base64.b64decode(fields["image"], validate=True) == jpeg()


@pytest.mark.parametrize(
    ("name", "text", "number"),
    [("vin", VIN, "1752904079094987109"), ("vin_none", "", "1752904079094987110"), ("vin_blank", "", "1752904079094987111")],
)
def test_the_first_text_that_was_read_is_the_vin(name: str, text: str, number: str) -> None:
    assert parse(answer(fixture("baidu", name))) == Seen(text, request_id=number)


def test_an_error_comes_with_status_200() -> None:
    assert parse(answer(fixture("baidu", "error"))) == Refusal("216202", "image size error")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"log_id": 1}'])
def test_an_answer_of_another_shape_is_no_reading(content: bytes) -> None:
    assert isinstance(parse(answer(content)), Refusal)


def test_a_token_is_good_for_thirty_days() -> None:
    assert parse_token(answer(fixture("baidu", "token"))) == Token("24.6c5e1ff107f0e8bcef8c46d3424a0e78", 2_592_000.0)
    assert parse_token(answer(fixture("baidu", "token_error"), 401)) == Refusal("invalid_client", "Client authentication failed")
    assert isinstance(parse_token(answer(b"{}")), Refusal)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_the_service_is_understood(server: VendorServer, shape: str) -> None:
    server.shape("baidu", shape)
    with at(server, "baidu") as provider:
        if shape.startswith("no-vin"):
            server.world.reader = lambda _: None
            with pytest.raises(Rejected):
                provider.read(image())
        else:
            assert provider.read(image()).text == VIN


def test_a_token_nobody_knows_any_more_is_bought_anew_once(server: VendorServer) -> None:
    with at(server, "baidu") as provider:
        provider.read(image())
        server.expire_tokens()
        logins = server.calls["baidu-token"].requests
        assert provider.read(image()).text == VIN
        assert server.calls["baidu-token"].requests == logins + 1
        server.fail("baidu", "110", times=None)
        with pytest.raises(NeedsOperator):
            provider.read(image())
        assert server.calls["baidu-token"].requests == logins + 2


@pytest.mark.parametrize("changed", [{"api_key": Secret("somebody-else")}, {"secret_key": Secret("another-key")}])
def test_wrong_keys_are_answered_in_one_sentence_without_showing_them(server: VendorServer, changed: dict[str, Any]) -> None:
    with (
        at(server, "baidu", baidu=changed) as provider,
        pytest.raises(NeedsOperator, match=r"invalid_client.*api_key or secret_key") as told,
    ):
        provider.read(image())
    assert "another-key" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(("code", "kind_of"), [("17", RetryLater), ("18", RetryLater), ("19", NeedsOperator)])
def test_limits_are_told_apart(server: VendorServer, code: str, kind_of: type[Exception]) -> None:
    server.fail("baidu", code)
    with at(server, "baidu") as provider, pytest.raises(kind_of, match=f"answered {code}"):
        provider.read(image())


@given(st.binary(min_size=1, max_size=3000))
def test_escaping_never_makes_a_form_longer_than_the_bounds_foresee(picture: bytes) -> None:
    bounds = VinCode.bounds
    room = len(VinCode(settings()).body(picture).content) - len("image=")
    assert room <= -(-len(picture) // 3) * 12
    assert bounds.raw_bytes // 3 * 12 <= FORM_LIMIT


def test_missing_keys_stop_the_start() -> None:
    with pytest.raises(BadConfig, match="api_key must be the application's API Key"):
        kind("baidu")(settings(baidu={"api_key": Secret("")}))


def test_the_keys_can_be_checked_without_a_paid_call(server: VendorServer) -> None:
    before = server.calls["baidu"].requests
    with at(server, "baidu") as provider:
        assert "the application's keys gave an access token" in provider.check()
    assert server.calls["baidu"].requests == before
