"""Huawei's own clients, pointed at the servers of the tests, are served, refused and understood as by Huawei."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkiam import v3 as iam

from tests.vendors import VendorServer, clients, codes
from tests.vendors.byhand import IMAGE, PICTURE, VIN, huawei

# The signers of the SDKs ask for the time in a way Python 3.12 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc")


@pytest.fixture(scope="module")
def shared() -> Iterator[VendorServer]:
    with VendorServer({PICTURE: VIN}) as server:
        yield server


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer({PICTURE: VIN}) as server:
        yield server


def refused_huawei(call: Callable[[], Any]) -> tuple[int, str, str]:
    with pytest.raises(ServiceResponseException) as refusal:
        call()
    return refusal.value.status_code, refusal.value.error_code, refusal.value.error_msg


def test_huaweis_client_reads_a_vin_and_a_licence(server: VendorServer) -> None:
    client = clients.huawei(server)

    answer = clients.huawei_vin(client, IMAGE)

    assert (answer.result.vin, len(answer.x_request_id)) == (VIN, 32)
    assert clients.huawei_licence(client, IMAGE).result.vin == VIN


def test_huaweis_clients_fetch_a_token_and_call_with_it(server: VendorServer) -> None:
    answer = clients.huawei_token(clients.huawei_iam(server), server)

    assert answer.x_subject_token in server.world.tokens
    assert answer.token.project.id == server.accounts.huawei_project_id
    assert len(answer.token.expires_at) == len("2023-11-14T22:13:20.000000Z")
    assert "x-sdk-date" in server.last["huawei-iam"].headers


def test_huawei_locks_a_user_after_five_wrong_passwords_for_a_quarter_of_an_hour(server: VendorServer) -> None:
    client = clients.huawei_iam(server)
    wrong = [refused_huawei(lambda: clients.huawei_token(client, server, "wrong"))[:2] for _ in range(5)]

    assert wrong == [(401, "IAM.0062")] * 5
    assert refused_huawei(lambda: clients.huawei_token(client, server))[:2] == (401, "IAM.0061")
    server.set_clock(time.time() + 901)
    assert clients.huawei_token(client, server).x_subject_token


def test_huawei_gives_a_token_for_no_project_that_no_call_can_use(server: VendorServer) -> None:
    scope = iam.AuthScope(domain=iam.AuthScopeDomain(name=server.accounts.huawei_account))

    answer = clients.huawei_token(clients.huawei_iam(server), server, scope=scope)

    assert answer.token.project is None
    with httpx.Client(trust_env=False) as http:
        assert huawei(server, http, answer.x_subject_token).json()["error_code"] == "ModelArts.0212"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"secret_key": "wrong"}, (401, "APIG.0301", "verify aksk signature fail")),
        ({"access_key": "NOBODY"}, (401, "APIG.0301", "AK NOBODY not exist")),
        ({"project_id": "f" * 32}, (404, "APIG.0101", "does not exist")),
    ],
)
def test_huaweis_client_is_refused(server: VendorServer, keys: dict[str, str], expected: tuple[int, str, str]) -> None:
    status, code, text = refused_huawei(lambda: clients.huawei_vin(clients.huawei(server, **keys), IMAGE))

    assert (status, code) == expected[:2]
    assert expected[2] in text


def test_huawei_locks_a_key_after_more_than_five_wrong_signatures(server: VendorServer) -> None:
    for _ in range(6):
        refused_huawei(lambda: clients.huawei_vin(clients.huawei(server, secret_key="wrong"), IMAGE))

    assert refused_huawei(lambda: clients.huawei_vin(clients.huawei(server), IMAGE))[1] == "APIG.0301"
    server.set_clock(time.time() + 301)
    assert clients.huawei_vin(clients.huawei(server), IMAGE).result.vin == VIN


@pytest.mark.parametrize("minutes", [-16, -14, 14, 16])
def test_huawei_takes_a_clock_that_is_off_by_less_than_a_quarter_of_an_hour(server: VendorServer, minutes: int) -> None:
    server.set_clock(time.time() + 60 * minutes)
    client = clients.huawei(server)

    if abs(minutes) < 15:
        assert clients.huawei_vin(client, IMAGE).result.vin == VIN
    else:
        status, code, text = refused_huawei(lambda: clients.huawei_vin(client, IMAGE))
        assert (status, code) == (401, "APIG.0301")
        assert "signature expired, signature time:" in text
        assert f",server time:{time.strftime('%Y%m%dT%H', time.gmtime(server.world.now()))}" in text


@pytest.mark.parametrize(
    ("image", "url", "code"),
    [
        (IMAGE, "http://yard.example/a.jpg", "AIS.0101"),
        (None, None, "AIS.0101"),
        (f"data:image/jpeg;base64,{IMAGE}", None, "AIS.0102"),
        (clients.encoded(cv2.imencode(".jpg", np.zeros((14, 90), np.uint8))[1].tobytes()), None, "AIS.0103"),
        (clients.encoded(cv2.imencode(".jpg", np.zeros((40, 4097), np.uint8))[1].tobytes()), None, "AIS.0103"),
        ("A" * 10_000_004, None, "ModelArts.4104"),
        ("A" * 12_000_000, None, "APIG.0201"),
    ],
    ids=["both", "neither", "data URI", "14 px", "4097 px", "over 10 MB", "over 12 MB"],
)
def test_huawei_turns_a_picture_away(shared: VendorServer, image: str | None, url: str | None, code: str) -> None:
    status, answered, _ = refused_huawei(lambda: clients.huawei_vin(clients.huawei(shared), image, url))

    assert (answered, status) == (code, 413 if code == "APIG.0201" else 400)
    assert shared.last["huawei"].billed is False


def test_huawei_bills_an_answer_without_a_vin(server: VendorServer) -> None:
    blank = cv2.imencode(".png", np.zeros((40, 40), np.uint8))[1].tobytes()

    assert clients.huawei_vin(clients.huawei(server), clients.encoded(blank)).result.vin == ""
    assert server.calls["huawei"].billed == 1


def test_every_error_of_huawei_reaches_its_client_as_documented(shared: VendorServer) -> None:
    client, answered = clients.huawei(shared), []
    for each in codes("huawei"):
        shared.fail("huawei", each.name)
        status, code, text = refused_huawei(lambda: clients.huawei_vin(client, IMAGE))
        answered.append((status, code, bool(text), "{" in text))

    assert answered == [(each.status, each.code, True, False) for each in codes("huawei")]
    print(len(answered), "codes of Huawei understood by its client")


def test_every_error_of_huaweis_token_service_reaches_its_client_as_documented(shared: VendorServer) -> None:
    client, answered = clients.huawei_iam(shared), []
    for each in codes("huawei-iam"):
        shared.fail("huawei-iam", each.name)
        answered.append(refused_huawei(lambda: clients.huawei_token(client, shared))[:2])

    assert answered == [(each.status, each.code) for each in codes("huawei-iam")]


@pytest.mark.parametrize("shape", ["camel", "nested", "plain keys", "text errors"])
def test_huaweis_client_understands_every_shape_of_an_error(server: VendorServer, shape: str) -> None:
    server.shape("huawei", shape)
    server.fail("huawei", "AIS.0104")

    status, code, text = refused_huawei(lambda: clients.huawei_vin(clients.huawei(server), IMAGE))

    assert (status, code) == (400, "400" if shape == "text errors" else "AIS.0104")
    assert text == "The image is not supported or the image quality is poor."
