"""The doctor names what is wrong in one sentence, and pays for nothing unasked."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent import config, doctor
from agent.clock import Clock
from agent.config_http import Http
from agent.errors import NeedsOperator
from agent.ocr.circuit import Circuits
from agent.settings import Secret
from agent.store import Store
from tests import clouds
from tests.broker import Authority
from tests.gateway import COMMAND
from tests.servers import refusing_port
from tests.vendors import VendorServer
from tests.vendors.snippet import snippet

VIN = "LSVAA4182E2184847"


@pytest.fixture
def server() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as server:
        yield server


def settings(url: str, folder: Path, http: Http | None = None, reading: config.Reading | None = None, **changed: Any) -> config.Settings:
    made = clouds.settings(url, **changed)
    return replace(made, agent=config.Agent(state_dir=folder), http=http or Http(connect_s=1.0), reading=reading or config.Reading())


def said(name: str, having: config.Settings, *, call: bool = False) -> tuple[list[str], list[str]]:
    """What is well, and what is wrong."""
    findings = list(doctor.examine(name, having, call=call))
    return [each.text for each in findings if each.good], [each.text for each in findings if not each.good]


@pytest.mark.parametrize("name", clouds.NAMES)
def test_a_provider_that_works_is_found_well_and_nothing_is_paid(server: VendorServer, tmp_path: Path, name: str) -> None:
    well, wrong = said(name, settings(server.url(), tmp_path))
    assert wrong == []
    assert any("the clock of this device is right" in each for each in well)
    assert any("has all its keys" in each for each in well)
    assert sum(tally.billed for tally in server.calls.values()) == 0
    assert sum(tally.pictures.total() for tally in server.calls.values()) == 0, "no picture has left the device"


def test_a_name_without_an_address_is_dns(tmp_path: Path) -> None:
    _, wrong = said("tencent", settings("https://ocr.nowhere.invalid", tmp_path))
    assert len(wrong) == 1
    assert "tencent: ocr.nowhere.invalid has no address" in wrong[0]
    assert "check DNS" in wrong[0]


def test_a_closed_port_is_a_firewall_or_a_wrong_host(tmp_path: Path) -> None:
    port = refusing_port()
    well, wrong = said("tencent", settings(f"https://127.0.0.1:{port}", tmp_path))
    assert wrong == [
        f"tencent: no connection to 127.0.0.1 on port {port} (Connection refused); check the network, the firewall and http.proxy"
    ]
    assert well == ["tencent: 127.0.0.1 has the address 127.0.0.1"]


def test_a_proxy_that_is_not_there_is_named_instead_of_the_vendor(tmp_path: Path) -> None:
    port = refusing_port()
    http = Http(proxy=Secret(f"http://user:geheim@127.0.0.1:{port}"))
    _, wrong = said("tencent", settings("https://ocr.tencentcloudapi.com", tmp_path, http))
    assert wrong[0].startswith(f"the proxy: no connection to 127.0.0.1 on port {port}")
    assert "geheim" not in wrong[0]


def test_a_foreign_certificate_is_an_opened_tls_or_a_wrong_clock(tmp_path: Path) -> None:
    with VendorServer(tls=Authority(tmp_path)) as server:
        _, wrong = said("tencent", settings(server.url(), tmp_path))
    assert len(wrong) == 1
    assert "the certificate of 127.0.0.1 is not believed" in wrong[0]
    assert "set the clock of this device" in wrong[0]
    assert "http.ca_file" in wrong[0]


def test_with_the_right_authority_tls_is_well(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with VendorServer(tls=authority) as server:
        well, wrong = said("tencent", settings(server.url(), tmp_path, Http(ca_file=str(authority.file))))
    assert wrong == []
    assert any("the certificate of 127.0.0.1 is believed (TLSv1." in each for each in well)


def test_something_that_speaks_no_tls_is_said_to_be_no_server_of_the_vendor(server: VendorServer, tmp_path: Path) -> None:
    _, wrong = said("tencent", settings(server.url().replace("http:", "https:"), tmp_path))
    assert len(wrong) == 1
    assert "TLS with 127.0.0.1 fails" in wrong[0]


@pytest.mark.parametrize(
    ("ahead_s", "sentence"),
    [(7 * 86_400, "7 days behind"), (-400, "7 minutes ahead of"), (240, "4 minutes behind"), (90, " s behind")],
)
def test_a_wrong_clock_is_told_with_how_far_it_is_off(server: VendorServer, tmp_path: Path, ahead_s: int, sentence: str) -> None:
    server.set_clock(time.time() + ahead_s)
    well, wrong = said("huawei", settings(server.url(), tmp_path), call=True)
    assert len(wrong) == 1
    assert "the clock of this device is" in wrong[0]
    assert f"{sentence} the vendor's" in wrong[0]
    assert any(VIN in each for each in well), "calls work all the same"


@pytest.mark.parametrize(
    ("name", "changed", "sentence"),
    [
        ("tencent", {"tencent": {"secret_id": Secret("")}}, "provider.tencent.secret_id must be"),
        ("tencent", {"tencent": {"secret_id": Secret("LTAI1234")}}, "which starts with AKID"),
        ("tencent", {"tencent": {"secret_key": Secret("a b")}}, "without blanks"),
        ("huawei", {"huawei": {"region": "cn-east-3", "url": ""}}, "provider.huawei.region must be cn-north-4"),
        ("huawei", {"huawei": {"project_id": "cn-north-4"}}, "provider.huawei.project_id must be"),
        ("tencent-legacy-vin", {"tencent_legacy_vin": {"appid": ""}}, "provider.tencent_legacy_vin.appid must be"),
        ("baidu", {"baidu": {"api_key": Secret("")}}, "provider.baidu.api_key must be"),
        ("aliyun", {"aliyun": {"access_key_id": Secret("AKID")}}, "which starts with LTAI"),
    ],
)
def test_a_key_that_cannot_be_right_is_found_without_a_network(tmp_path: Path, name: str, changed: Any, sentence: str) -> None:
    well, wrong = said(name, settings("https://nowhere.invalid", tmp_path, **changed))
    assert well == []
    assert any(sentence in each for each in wrong), wrong


@pytest.mark.parametrize(
    ("name", "vendor", "code", "sentence"),
    [
        ("huawei", "huawei", "ModelArts.4204", "not subscribed"),
        ("tencent", "tencent", "ResourceUnavailable.InArrears", "has run out of money"),
        ("tencent", "tencent", "AuthFailure.SecretIdNotFound", "the SecretId is unknown"),
        ("tencent", "tencent", "FailedOperation.UnOpenError", "not activated"),
    ],
)
def test_what_only_a_call_can_tell_is_told_by_a_call(
    server: VendorServer, tmp_path: Path, name: str, vendor: str, code: str, sentence: str
) -> None:
    server.fail(vendor, code, times=None)
    _, wrong = said(name, settings(server.url(), tmp_path), call=True)
    assert len(wrong) == 1
    assert sentence in wrong[0]
    assert code in wrong[0]


def test_a_wrong_key_shows_in_a_call_and_the_key_does_not(server: VendorServer, tmp_path: Path) -> None:
    key = "NotTheKeyThatTheyHaveOnFile12345"
    _, wrong = said("tencent", settings(server.url(), tmp_path, tencent={"secret_key": Secret(key)}), call=True)
    assert "AuthFailure.SignatureFailure" in wrong[0]
    assert key not in wrong[0]


def test_a_paid_call_is_on_the_books_of_the_agent(server: VendorServer, tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), Clock().now().utc_ms) as store:
        well, wrong = said("tencent", settings(server.url(), tmp_path, tencent={"price": 0.15}), call=True)
        assert (wrong, well[-1]) == ([], f"tencent read the sample: {VIN}")
        assert (store.ledger.spent("tencent", 0).calls, store.ledger.spent("tencent", 0).money) == (1, 0.15)
    assert server.calls["tencent"].billed == 1


def test_a_spent_budget_is_told_and_no_call_is_made(server: VendorServer, tmp_path: Path) -> None:
    now_ms = Clock().now().utc_ms
    with Store.open(tmp_path, config.Store(free_mb=1), now_ms) as store:
        store.ledger.book("tencent", "A", 0.15, now_ms)
    reading = config.Reading(calls_per_month=1)
    _, wrong = said("tencent", settings(server.url(), tmp_path, reading=reading), call=True)
    assert len(wrong) == 1
    assert "the budget is spent for the next" in wrong[0]
    assert "1 calls today, 1 this month of 1" in wrong[0]
    assert server.calls["tencent"].billed == 0


def test_what_the_running_agent_has_against_a_provider_is_told(server: VendorServer, tmp_path: Path) -> None:
    clock = Clock()
    with Store.open(tmp_path, config.Store(free_mb=1), clock.now().utc_ms) as store:
        circuits = Circuits(["tencent"], store, clock.now, time.monotonic)
        circuits.open("tencent", NeedsOperator("tencent answered ResourceUnavailable.InArrears: the account has run out of money"))
        _, wrong = said("tencent", settings(server.url(), tmp_path))
    assert len(wrong) == 1
    assert "the agent does not ask it for another 10 minutes, because: tencent answered ResourceUnavailable.InArrears" in wrong[0]


def test_a_look_leaves_the_store_as_it_is(server: VendorServer, tmp_path: Path) -> None:
    with Store.open(tmp_path, config.Store(free_mb=1), Clock().now().utc_ms) as store:
        said("tencent", settings(server.url(), tmp_path))
        assert store.ledger.spent(None, 0).calls == 0
    said("tencent", settings(server.url(), tmp_path / "nothing here"))
    assert not (tmp_path / "nothing here").exists()


@pytest.mark.parametrize(
    ("more", "code", "sentence"), [("", 0, "tencent has all its keys"), ("calls_per_day = 1", 1, "the budget is spent")]
)
def test_the_command_says_it_line_by_line_and_by_its_exit_code(
    server: VendorServer, tmp_path: Path, more: str, code: int, sentence: str
) -> None:
    now_ms = Clock().now().utc_ms
    with Store.open(tmp_path, config.Store(free_mb=1), now_ms) as store:
        store.ledger.book("tencent", "A", 0.15, now_ms)
    file = tmp_path / "agent.toml"
    agent = f'[agent]\nstate_dir = "{tmp_path}"\n'
    file.write_text(agent + snippet(server).replace('chain = ["tencent"]', f'chain = ["tencent"]\n{more}'), "utf-8")
    done = subprocess.run([COMMAND, "doctor", "--provider", "tencent", "--config", str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == code, done
    assert sentence in done.stdout
    assert {line[:5] for line in done.stdout.splitlines()} == ({"ok   "} if code == 0 else {"ok   ", "WRONG"})
