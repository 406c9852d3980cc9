"""The vendors' servers of the tests check, bill, fail and shape their answers as the vendors' documents say."""

import signal
import ssl
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from agent import config
from agent.config_accounts import problems
from tests.broker import Authority
from tests.vendors import KINDS, SHAPES, VENDORS, Kind, VendorServer, clients, codes, digest, signatures
from tests.vendors.byhand import IMAGE, PICTURE, VIN, huawei, legacy
from tests.vendors.snippet import snippet
from tests.vendors.wire import Call

H1 = {"content-type": "application/json", "host": "service.region.example.com", "x-sdk-date": "20191115T033655Z"}
T1 = {"content-type": "application/json; charset=utf-8", "host": "cvm.tencentcloudapi.com", "x-tc-timestamp": "1551113065"}
ACS = {
    "host": "ecs.cn-shanghai.aliyuncs.com", "x-acs-action": "RunInstances", "x-acs-date": "2023-10-26T10:22:32Z",
    "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d", "x-acs-version": "2014-05-26",
}  # fmt: skip
L3 = (
    "vxzLR6vzMNhBMUVzMTWKUB+LMeVhPTIwMDAwMSZrPUFLSURVZkxVRVVpZ1FpWHFtN0NWU3NwS0pudWFpSUt0eHFBdiZlPTE0Mzc5OTU3MDQmdD0xNDM3OTk1NjQ0JnI9MjA4"
    "MTY2MDQyMSZmPSZiPW5ld2J1Y2tldA=="
)


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer({PICTURE: VIN}) as server:
        yield server


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=5, trust_env=False) as http:
        yield http


def test_the_servers_compute_the_signatures_the_vendors_publish() -> None:
    body = rb'{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}'
    tencent = Call("tencent", "POST", "/", (), T1, body)
    query = [("limit", "2"), ("marker", "13551d6b-755d-4757-b956-536f674975c0")]
    sdk = Call("huawei", "GET", "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs", query, H1, b"")
    acs = Call(
        "aliyun", "POST", "/", [("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"), ("RegionId", "cn-shanghai")], ACS, b""
    )

    signed = signatures.tc3(tencent, "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE", "AKID/2019-02-25/cvm/tc3_request", "content-type;host")

    assert signed == "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168"
    signed = signatures.sdk(sdk, "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc", "content-type;host;x-sdk-date")
    assert signed == "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
    signed = signatures.acs3(acs, "YourAccessKeySecret", ";".join(sorted(ACS)))
    assert signed == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
    assert signatures.legacy_fields(L3)["b"] == "newbucket"
    assert signatures.legacy_fits(L3, "bLcPnl88WU30VY57ipRhSePfPdOfSruK")
    assert not signatures.legacy_fits(L3, "another key")


def test_huawei_takes_a_token_until_it_ends(server: VendorServer, http: httpx.Client) -> None:
    assert huawei(server, http).json() == {"result": {"vin": VIN}}
    token = next(iter(server.world.tokens))
    server.set_clock(time.time() + 86_401)
    assert "token expires" in huawei(server, http, token).json()["error_msg"]
    server.expire_tokens()
    assert "decrypt token fail" in huawei(server, http, token).json()["error_msg"]


def test_huawei_names_its_limit_in_the_refusal(server: VendorServer, http: httpx.Client) -> None:
    server.limit("huawei", 1, 60)
    token = huawei(server, http).request.headers["x-auth-token"]

    answer = huawei(server, http, token)

    assert (answer.status_code, answer.json()["error_code"]) == (429, "APIG.0308")
    assert answer.json()["error_msg"].endswith("limit:1,time:1 minute")


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_of_any_kind_is_billed_as_it_would_be(server: VendorServer, http: httpx.Client, kind: Kind) -> None:
    token = huawei(server, http).request.headers["x-auth-token"]
    if kind == "code":
        server.fail("huawei", "APIG.0502", headers={"Retry-After": "7"})
    else:
        server.misbehave("huawei", kind, seconds=0.1)

    try:
        answer = huawei(server, http, token)
        seen = (answer.status_code, answer.headers["content-type"].partition(";")[0], answer.text[:1])
    except httpx.RemoteProtocolError:
        seen = (0, "", "")

    tally = server.calls["huawei"]
    assert seen == _SEEN[kind]
    assert tally.billed - 1 == (kind in ("lost", "slow", "cut after", "cut midway", "wrong type", "stale"))
    assert tally.lost == (kind in ("lost", "cut after", "cut midway"))
    with httpx.Client(trust_env=False) as fresh:  # the kept connection may be on its way to its end
        assert huawei(server, fresh, token).json() == {"result": {"vin": VIN}}
    assert tally.paid_twice == {digest(PICTURE): tally.billed}


_SEEN = {
    "code": (405, "application/json", "{"), "silent": (0, "", ""), "lost": (0, "", ""), "slow": (200, "application/json", "{"),
    "cut before": (0, "", ""), "cut after": (0, "", ""), "cut midway": (0, "", ""), "garbage": (200, "application/json", "{"),
    "html": (200, "text/html", "<"), "portal": (302, "text/html", ""), "wrong type": (200, "text/html", "{"),
    "empty": (200, "application/json", ""), "busy": (429, "text/plain", "s"),
    "down": (503, "text/html", "<"), "stale": (200, "application/json", "{"),
}  # fmt: skip


def test_an_answer_that_comes_too_late_is_billed_and_lost(server: VendorServer) -> None:
    server.slow("tencent-legacy", 30)
    content = {"appid": server.accounts.legacy_appid, "bucket": server.accounts.legacy_bucket, "image": IMAGE}
    url, headers = f"{server.url('tencent-legacy')}/ocr/vin_detection", {"Authorization": clients.legacy_sign(server)}

    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=content, headers=headers, timeout=0.2, trust_env=False)

    deadline = time.monotonic() + 3
    while not server.calls["tencent-legacy"].lost and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (server.calls["tencent-legacy"].billed, server.calls["tencent-legacy"].lost) == (1, 1)


def test_chance_deals_the_same_faults_for_the_same_seed() -> None:
    def dealt() -> list[tuple[str, str]]:
        with VendorServer({PICTURE: VIN}) as server:
            server.at_random(0.3, seed=5, vendors=["tencent-legacy"], kinds=["code", "busy", "html"], among=codes("tencent-legacy"))
            for _ in range(60):
                clients.legacy(server, "vin_detection", json={})
            return [(call.mood, call.code) for call in server.ledger.log]

    first = dealt()

    assert first == dealt()
    assert 8 < len([mood for mood, _ in first if mood]) < 30


def test_what_was_bought_runs_out(server: VendorServer) -> None:
    server.quota("tencent-legacy", 2)

    assert [legacy(server)["code"] for _ in range(3)] == [0, 0, 25]
    assert server.calls["tencent-legacy"].billed == 2


def test_the_date_of_an_answer_is_the_servers(server: VendorServer, http: httpx.Client) -> None:
    server.set_clock(1_700_000_000.5)

    assert http.get(server.url()).headers["date"] == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("host", "vendor"),
    [("ocr.ap-guangzhou.tencentcloudapi.com", "tencent"), ("ocr.intl.tencentcloudapi.com", "tencent"),
     ("service.image.myqcloud.com", "tencent-legacy"),
     ("iam.cn-north-4.myhuaweicloud.com", "huawei-iam"), ("aip.baidubce.com", "baidu"), ("ocr-api.cn-hangzhou.aliyuncs.com", "aliyun")],
)  # fmt: skip
def test_a_call_is_known_by_its_host(server: VendorServer, http: httpx.Client, host: str, vendor: str) -> None:
    http.post(server.url(), headers={"Host": host}, content=b"{}")

    assert server.calls[vendor].requests == 1


def test_huawei_reads_vins_in_one_region_only(server: VendorServer, http: httpx.Client) -> None:
    path = f"/v2/{server.accounts.huawei_project_id}/ocr/vin"

    answer = http.post(server.url() + path, headers={"Host": "ocr.cn-east-3.myhuaweicloud.com"}, json={"image": IMAGE})

    assert (answer.status_code, answer.json()["error_code"]) == (404, "APIG.0101")


def test_a_call_without_a_length_is_sent_back(server: VendorServer, http: httpx.Client) -> None:
    assert http.post(f"{server.url()}/ocr/vin_detection", content=iter([b"{}"])).status_code == 411


def test_the_servers_speak_tls_with_an_authority_of_their_own(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with VendorServer(tls=authority) as server:
        url = server.url("tencent")

        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(url, trust_env=False)
        assert url.startswith("https://")
        assert httpx.get(url, verify=ssl.create_default_context(cafile=authority.file), trust_env=False).status_code == 404


def test_what_the_servers_print_is_a_configuration_the_agent_takes(server: VendorServer, tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(snippet(server), "utf-8")

    settings = config.load(file, {})

    names = (
        "tencent",
        "huawei",
        "tencent-legacy-vin",
        "tencent-legacy-licence",
        "tencent-vehicle-licence",
        "huawei-vehicle-licence",
        "baidu",
        "aliyun",
    )
    assert {name: problems(settings.provider, name) for name in names} == {name: [] for name in names}


def test_the_servers_run_by_hand(http: httpx.Client) -> None:
    command = [sys.executable, "-m", "tests.vendors", "--port", "0", "--vin", "1M8GDM9AXKP042788"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent) as process:
        assert process.stdout is not None
        printed = tomllib.loads("".join(iter(process.stdout.readline, "\n")) + "".join(iter(process.stdout.readline, "\n")))
        answer = http.post(f"{printed['provider']['tencent']['url']}/ocr/vin_detection", json={})
        process.send_signal(signal.SIGTERM)
        said = process.stdout.read()
    assert process.returncode == 0
    assert answer.json()["code"] == 4
    assert said.splitlines()[-1] == "tencent-legacy vin_detection: 200 4"


def test_every_vendor_has_errors_and_shapes() -> None:
    assert [vendor for vendor in VENDORS if not codes(vendor) or vendor not in SHAPES] == []
