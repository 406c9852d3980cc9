"""Tencent's own clients, pointed at the servers of the tests, are served, refused and understood as by Tencent."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from qcloud_image import CIUrls
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

from tests.vendors import CODES, Card, VendorServer, byhand, clients, codes, digest
from tests.vendors.byhand import IMAGE, PICTURE, VIN

# The signers of the SDKs ask for the time in a way Python 3.12 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc")


@pytest.fixture(scope="module")
def shared() -> Iterator[VendorServer]:
    with VendorServer({PICTURE: VIN}) as server:
        server.limit("tencent", 0)
        yield server


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer({PICTURE: VIN}) as server:
        yield server


def refused_tencent(call: Callable[[], Any]) -> str:
    with pytest.raises(TencentCloudSDKException) as refusal:
        call()
    assert refusal.value.get_request_id()
    return str(refusal.value.get_code())


def test_tencents_client_reads_a_vin_and_a_licence(server: VendorServer) -> None:
    client = clients.tencent(server, region="ap-guangzhou")

    answer = clients.tencent_vin(client, IMAGE)
    licence = clients.tencent_licence(client, IMAGE, "DOUBLE")

    assert (answer.Vin, len(answer.RequestId)) == (VIN, 36)
    assert (licence.FrontInfo.Vin, licence.FrontInfo.PlateNo, licence.BackInfo.PlateNo) == (VIN, "粤B12345", "粤B12345")
    assert (server.calls["tencent"].served, server.calls["tencent"].paid[digest(PICTURE)]) == (2, 2)


def test_tencents_client_is_served_with_temporary_keys_and_their_token_alone(server: VendorServer) -> None:
    keys = (server.accounts.tencent_temporary_id, server.accounts.tencent_temporary_key)

    assert clients.tencent_vin(clients.tencent(server, *keys, server.accounts.tencent_token), IMAGE).Vin == VIN
    for token in (None, "another"):
        assert refused_tencent(lambda: clients.tencent_vin(clients.tencent(server, *keys, token), IMAGE)) == "AuthFailure.TokenFailure"  # noqa: B023


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"secret_key": "wrong"}, "AuthFailure.SignatureFailure"),
        ({"secret_id": "AKIDnobody"}, "AuthFailure.SecretIdNotFound"),
        ({"secret_id": "LTAInobody"}, "AuthFailure.InvalidSecretId"),
        ({"region": "eu-berlin"}, "UnsupportedRegion"),
    ],
)
def test_tencents_client_is_refused(shared: VendorServer, keys: dict[str, str], code: str) -> None:
    assert refused_tencent(lambda: clients.tencent_vin(clients.tencent(shared, **keys), IMAGE)) == code


@pytest.mark.parametrize(
    ("image", "code"),
    [
        ("", "FailedOperation.EmptyImageError"),
        (f"data:image/jpeg;base64,{IMAGE}", "FailedOperation.ImageDecodeFailed"),
        (f"{IMAGE[:76]}\n{IMAGE[76:]}", "FailedOperation.ImageDecodeFailed"),
        ("A" * 7_000_004, "LimitExceeded.TooLargeFileError"),
        ("A" * 10_000_004, "RequestSizeLimitExceeded"),
        (clients.encoded(b"GIF89a and no more"), "FailedOperation.ImageDecodeFailed"),
        (clients.encoded(cv2.imencode(".bmp", np.zeros((40, 40), np.uint8))[1].tobytes()), "FailedOperation.ImageDecodeFailed"),
    ],
    ids=["empty", "data URI", "line break", "over 7 MB", "over 10 MB", "broken gif", "bmp"],
)
def test_tencent_turns_a_picture_away(shared: VendorServer, image: str, code: str) -> None:
    assert refused_tencent(lambda: clients.tencent_vin(clients.tencent(shared), image)) == code


def test_tencent_bills_an_empty_picture_and_no_other_failure(server: VendorServer) -> None:
    client = clients.tencent(server)
    for image in ("", "not base64"):
        refused_tencent(lambda: clients.tencent_vin(client, image))  # noqa: B023

    tally = server.calls["tencent"]
    assert (tally.requests, tally.served, tally.billed) == (2, 0, 1)


@pytest.mark.parametrize("minutes", [-6, -4, 4, 6])
def test_tencent_takes_a_clock_that_is_off_by_less_than_five_minutes(server: VendorServer, minutes: int) -> None:
    server.set_clock(time.time() + 60 * minutes)
    client = clients.tencent(server)

    if abs(minutes) < 5:
        assert clients.tencent_vin(client, IMAGE).Vin == VIN
    else:
        assert refused_tencent(lambda: clients.tencent_vin(client, IMAGE)) == "AuthFailure.SignatureExpire"


def test_tencent_prefers_the_address_over_the_picture_sent_along(server: VendorServer) -> None:
    other = cv2.imencode(".png", np.zeros((40, 40), np.uint8))[1].tobytes()
    server.show(other, "1M8GDM9AXKP042788")
    server.world.pages["http://yard.example/a.png"] = other
    client = clients.tencent(server)

    assert clients.tencent_vin(client, IMAGE, ImageUrl="http://yard.example/a.png").Vin == "1M8GDM9AXKP042788"
    away = refused_tencent(lambda: clients.tencent_vin(client, IMAGE, ImageUrl="http://yard.example/b.png"))
    assert away == "FailedOperation.DownLoadError"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, VIN),
        ({"signed": "content-type;host;x-tc-action"}, VIN),
        ({"scope": "2023-11-15/ocr"}, "AuthFailure.SignatureFailure"),
        ({"scope": "2023-11-14/cvm"}, "AuthFailure.SignatureFailure"),
        ({"signed": "content-type"}, "AuthFailure.SignatureFailure"),
        ({"content_type": "application/json; charset=utf-8"}, "AuthFailure.SignatureFailure"),
        ({"body": "{}"}, "AuthFailure.SignatureFailure"),
        ({"authorization": "TC3-HMAC-SHA256 Credential=AKID"}, "AuthFailure.InvalidAuthorization"),
        ({"x_tc_timestamp": "now"}, "MissingParameter"),
        ({"x_tc_action": "GeneralBasicOCR"}, "InvalidAction"),
        ({"x_tc_version": "2017-03-12"}, "NoSuchVersion"),
    ],
)
def test_tencent_checks_every_part_of_a_signature(server: VendorServer, change: dict[str, str], code: str) -> None:
    server.set_clock(1_699_979_400)  # half past midnight of the 15th in China, of the 14th in Greenwich
    with httpx.Client(trust_env=False) as http:
        assert byhand.tencent(server, http, **change) == code


def test_calls_of_many_threads_are_all_counted(shared: VendorServer) -> None:
    before = shared.calls["tencent"].billed
    with ThreadPoolExecutor(8) as threads:
        read = list(threads.map(lambda _: clients.tencent_vin(clients.tencent(shared), IMAGE).Vin, range(80)))

    assert read == [VIN] * 80
    assert shared.calls["tencent"].billed - before == 80


def test_tencent_answers_ten_calls_a_second_and_no_more(server: VendorServer) -> None:
    client, (calls, seconds) = clients.tencent(server), server.world.limits["tencent"]
    server.limit("tencent", calls, 60 * seconds)  # a slow machine needs more than a second for them
    for _ in range(calls):
        clients.tencent_vin(client, IMAGE)

    assert (calls, seconds) == (10, 1.0)
    assert refused_tencent(lambda: clients.tencent_vin(client, IMAGE)) == "RequestLimitExceeded"
    server.limit("tencent", calls, 0.0001)
    assert clients.tencent_vin(client, IMAGE).Vin == VIN


def test_the_older_services_know_their_sdks_signature(server: VendorServer) -> None:
    refused = clients.legacy_client(server, "wrong").namecard_detect(CIUrls(["http://yard.example/a.jpg"]))
    taken = clients.legacy_client(server).namecard_detect(CIUrls(["http://yard.example/a.jpg"]))

    assert (refused["code"], taken["code"]) == (14, 424)  # the service asked for is none of the two here


def test_every_error_of_tencent_reaches_its_client_as_documented(shared: VendorServer) -> None:
    client, answered = clients.tencent(shared), []
    for each in codes("tencent"):
        shared.fail("tencent", each.name)
        answered.append(refused_tencent(lambda: clients.tencent_vin(client, IMAGE)))

    assert answered == [each.code for each in codes("tencent")]
    print(len(answered), "codes of Tencent understood by its client")


def test_a_card_shows_what_it_says(server: VendorServer) -> None:
    server.show(PICTURE, Card(VIN, plate="京A00001", engine="E7"))

    front = clients.tencent_licence(clients.tencent(server), IMAGE).FrontInfo

    assert (front.PlateNo, front.EngineNo, front.Vin) == ("京A00001", "E7", VIN)


def test_every_error_is_documented_once_with_a_status_and_a_text() -> None:
    assert len({(each.vendor, each.name) for each in CODES}) == len(CODES) > 250
    assert [each for each in CODES if not 200 <= each.status < 600 or not each.message] == []
