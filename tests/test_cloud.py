"""What every cloud provider does around a vendor's requests: no call that must fail, the vendor's time, keys checked at the start."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import cli, config, config_accounts
from agent.bounds import Bounds
from agent.clock import Clock
from agent.config_accounts import READERS
from agent.errors import BadConfig, NeedsOperator, Rejected, RetryLater
from agent.ocr import DOCUMENTS, PROVIDERS, common_bounds, open_providers
from agent.ocr.cloud import sample
from agent.ocr.jpeg import size
from agent.settings import Secret
from agent.store import Store
from tests.clouds import NAMES, VIN, at, image, jpeg, kind, settings, stubbed
from tests.vendors.pictures import seen
from tests.vendors.server import VendorServer
from tests.vendors.snippet import snippet


@pytest.fixture(scope="module")
def server() -> Iterator[VendorServer]:
    with VendorServer(reader=lambda _: VIN) as running:
        for vendor in ("tencent", "aliyun"):
            running.limit(vendor, 0)
        yield running


@pytest.mark.parametrize("name", NAMES)
def test_every_provider_reads_at_its_vendor(server: VendorServer, name: str) -> None:
    with at(server, name) as provider:
        reading = provider.read(image())
    assert (reading.text, reading.provider, reading.image) == (VIN, name, 1)
    assert reading.request_id
    assert provider.metered


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"no picture", "it does not begin as a JPEG does"),
        (jpeg()[: len(jpeg()) // 2], "a part is missing"),
        (jpeg()[:2] + b"\xff\xd9", "no picture data"),
        (jpeg(8, 8), "expected sides from"),
        (jpeg(9000, 200), "expected"),
        (jpeg() + b"\0" * 9_990_000 + b"\xff\xd9", "bytes, expected at most"),
    ],
)
def test_a_picture_that_would_be_refused_is_never_sent(name: str, content: bytes, words: str) -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError(f"{request.url} was called")

    if words.startswith("bytes") and name == "aliyun":
        content = jpeg() + b"\0" * 10_000_000 + b"\xff\xd9"
    with stubbed(name, never) as provider, pytest.raises(Rejected, match=words) as refused:
        provider.read(image(content))
    assert refused.value.charged is False
    assert name in str(refused.value)


def test_a_picture_far_longer_than_wide_is_not_sent_where_that_is_refused() -> None:
    with stubbed("aliyun", lambda _: httpx.Response(500)) as provider, pytest.raises(Rejected, match="at most 49 times as long as wide"):
        provider.read(image(jpeg(4000, 40)))


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([10, 50, 92]), st.booleans(), st.booleans())
def test_the_sides_of_every_jpeg_are_found(width: int, height: int, quality: int, progressive: bool, colour: bool) -> None:
    pixels = np.zeros((height, width, 3) if colour else (height, width), np.uint8)
    content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)])[1].tobytes()
    assert size(content) == (width, height)


@given(st.binary(max_size=200))
def test_no_bytes_at_all_break_the_look_at_a_picture(content: bytes) -> None:
    for each in (content, b"\xff\xd8" + content + b"\xff\xd9"):
        with suppress(ValueError):
            assert all(size(each))


@pytest.mark.parametrize("name", NAMES)
def test_the_bounds_of_a_chain_are_known_without_opening_it(name: str) -> None:
    both = common_bounds((name, "embedded"), settings())
    own = kind(name)(settings()).bounds
    assert common_bounds((name, "embedded")).raw_bytes <= both.raw_bytes, "without settings the tightest they may ask for"
    assert both.raw_bytes == min(own.raw_bytes, Bounds().raw_bytes)
    assert (both.min_side, both.max_side) == (max(15, own.min_side), min(4096, own.max_side))
    assert both.formats == ("jpeg",)


def test_bounds_count_bytes_as_the_vendor_does() -> None:
    assert Bounds(max_bytes=100, counted="raw").raw_bytes == 100
    assert Bounds(max_bytes=100, counted="multipart", around=40).raw_bytes == 60
    assert Bounds(max_bytes=100, counted="base64").raw_bytes == 75
    assert Bounds(max_bytes=100, counted="body", around=50).raw_bytes == 36
    assert Bounds(max_bytes=100, counted="urlencoded").raw_bytes == 24
    assert Bounds(max_bytes=10, counted="body", around=50).raw_bytes == 0
    strict = Bounds(max_ratio=49.0, formats=("jpeg", "png"))
    assert strict.tightened(Bounds(max_ratio=5.0)).max_ratio == 5.0
    assert strict.tightened(Bounds()).max_ratio == 49.0


@pytest.mark.parametrize("name", NAMES)
def test_no_secret_shows_in_a_log_or_an_error(server: VendorServer, name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    given_settings = settings(server.url())
    section = config_accounts.section(given_settings.provider, name)
    secrets = [value.reveal() for each in fields(section) if isinstance(value := getattr(section, each.name), Secret) and value.reveal()]
    vendor = {"tencent": "tencent", "huawei": "huawei", "baidu": "baidu", "aliyun": "aliyun"}[name.split("-")[0]]
    vendor = "tencent-legacy" if "legacy" in name else vendor
    server.misbehave(vendor, "garbage")
    with at(server, name) as provider, pytest.raises(Exception) as told:  # noqa: PT011  # whatever it is, it tells no secret
        provider.read(image())
    said = f"{told.value} {told.value!r} {caplog.text} {given_settings!r} {config.as_dict(given_settings)}"
    assert secrets
    for secret in secrets:
        assert secret not in said
    server.heal()


def test_a_device_that_does_not_know_the_time_asks_the_vendor_for_it_unpaid(server: VendorServer) -> None:
    paid = server.calls["tencent"].billed
    with at(server, "tencent") as provider:
        assert provider.knows_time()
    assert server.calls["tencent"].billed == paid
    with stubbed("tencent", lambda _: httpx.Response(200, json={})) as provider:
        assert not provider.knows_time(), "an answer without a Date teaches nothing"


@pytest.mark.parametrize("name", NAMES)
def test_a_check_pays_for_nothing_unless_told_to(server: VendorServer, name: str) -> None:
    paid = sum(tally.billed for tally in server.calls.values())
    with at(server, name) as provider:
        assert f"{name} has all its keys, and they have the right shape" in provider.check()
        assert sum(tally.billed for tally in server.calls.values()) == paid
        assert provider.check(call=True)[-1] == f"{name} read the sample: {VIN}"
    assert sum(tally.billed for tally in server.calls.values()) == paid + 1


def test_a_sample_nobody_can_read_still_shows_that_calls_work(server: VendorServer) -> None:
    server.world.reader = lambda _: None
    try:
        with at(server, "tencent") as provider:
            assert provider.check(call=True)[-1] == "tencent read the sample: no VIN"
        with at(server, "tencent-vehicle-licence") as provider:
            assert "takes our calls" in provider.check(call=True)[-1]
    finally:
        server.world.reader = lambda _: VIN


def test_the_sample_is_a_picture_every_provider_takes() -> None:
    shown = sample()
    assert seen(shown.jpeg).decodes
    for name in NAMES:
        bounds = kind(name).bounds
        assert bounds.min_side <= min(shown.width, shown.height) <= max(shown.width, shown.height) <= bounds.max_side


def test_the_registry_knows_every_provider_by_the_name_it_gives_itself() -> None:
    assert set(PROVIDERS) == {*NAMES, "embedded"} == set(READERS)
    for name in NAMES:
        assert kind(name)(settings()).name == name
    chain = open_providers(replace(settings(), reading=config.Reading(chain=("huawei", "tencent"))))
    assert [each.name for each in chain] == ["huawei", "tencent"]
    assert set(DOCUMENTS) == {name for name in NAMES if name.endswith("-licence")}


def test_a_reader_of_lines_reads_no_documents(server: VendorServer) -> None:
    with at(server, "tencent") as provider, pytest.raises(NeedsOperator, match="reads lines, no documents"):
        provider.read_document(image())


def test_every_secret_of_a_provider_may_come_from_the_environment_or_a_credential(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text("[reading]\nchain = ['tencent']\n[provider.tencent]\nregion = 'ap-beijing'\n", "utf-8")
    environ = {"VIN_AGENT_PROVIDER_TENCENT_SECRET_ID": "AKIDfromtheenvironment", "VIN_AGENT_PROVIDER_TENCENT_SECRET_KEY": "k"}
    assert config.load(file, environ).provider.tencent.secret_id.reveal() == "AKIDfromtheenvironment"
    (tmp_path / "provider.tencent.secret_id").write_text("AKIDcredential\n", "utf-8")
    loaded = config.load(file, {**environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}).provider.tencent
    assert (loaded.secret_id.reveal(), loaded.secret_key.reveal(), loaded.region) == ("AKIDcredential", "k", "ap-beijing")
    assert ("provider", "huawei", "password") in config.SECRETS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[provider.tencent]\nsecret_id = 'LTAI5t-not-here'", ":4: provider.tencent.secret_id must be a SecretId of Tencent Cloud"),
        ("[provider.tencent]\nurl = 'ocr.tencentcloudapi.com'", ":4: provider.tencent.url must be empty, or https://host without a path"),
        ("[provider.tencent]\nurl = 'http://ocr.example'", ":4: provider.tencent.url must be empty, or https://host"),
        ("[provider.tencent]\nurl = 'https://ocr.example/v2'", ":4: provider.tencent.url must be empty, or https://host"),
        ("[provider.tencent]\nregion = 'Beijing'", ":4: provider.tencent.region must be a region such as"),
        ("[provider.huawei]\nproject_id = '123'", ":4: provider.huawei.project_id must be 32 characters"),
        ("[provider.tencent_legacy_vin]\nappid = 'me'", ":4: provider.tencent_legacy_vin.appid must be the digits"),
        ("[provider.tencent]\nsite = 'intl'", 'provider.tencent.site must be "china" or "international"'),
        ("[provider.tencnt]\nsite = 'china'", 'unknown key provider.tencnt; did you mean "tencent"?'),
        ("", "provider.tencent.secret_id must be a SecretId of Tencent Cloud, which starts with AKID, not ''"),
    ],
)
def test_what_cannot_be_right_is_told_with_file_and_line_before_the_first_vehicle(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "agent.toml"
    file.write_text(f"[reading]\nchain = ['tencent']\n{text}", "utf-8")
    with pytest.raises(BadConfig) as wrong:
        config.load(file, {})
    assert words in str(wrong.value)
    assert "LTAI5t" not in str(wrong.value)
    assert "\n" not in str(wrong.value)


def run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(arguments)
    output = capsys.readouterr()
    return code, output.out, output.err


@pytest.fixture
def files(server: VendorServer, tmp_path: Path) -> tuple[str, str]:
    """A picture and the configuration that goes with the vendor servers."""
    (tmp_path / "car.jpg").write_bytes(sample().jpeg)
    (tmp_path / "agent.toml").write_text(snippet(server), "utf-8")
    return str(tmp_path / "car.jpg"), str(tmp_path / "agent.toml")


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_read_by_any_provider_from_the_command_line(
    name: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(["read", files[0], "--provider", name, "--config", files[1]], capsys)
    assert (code, err) == (0, "")
    assert out.startswith(VIN)
    assert "accepted" in out


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_whole_licence_is_shown_only_when_asked_for(name: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(["read", files[0], "--document", "--provider", name, "--config", files[1]], capsys)
    assert code == 0
    assert "owner" in out
    code, out, _ = run(["read", files[0], "--provider", name, "--config", files[1]], capsys)
    assert "张三" not in out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--document", "--provider", "tencent"], 78, "tencent reads no documents; those that do: "),
        (["--document"], 78, "embedded reads no documents"),
        (["--provider", "tencant"], 78, 'there is no provider "tencant"'),
    ],
)
def test_a_question_to_the_wrong_reader_is_answered_in_one_sentence(
    arguments: list[str], code: int, words: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    ended, _, err = run(["read", files[0], *arguments, "--config", files[1]], capsys)
    assert ended == code
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "name", "words"),
    [
        ('secret_key = "tencent-secret', 'secret_key = "another-secret', "tencent", "SignatureFailure"),
        ('project_id = "0123', 'project_id = "ffff', "huawei", "project_id"),
        ('bucket = "yard"', 'bucket = "nowhere"', "tencent-legacy-licence", "bucket"),
        ('secret_id = "AKIDgate', 'region = "cn-north-4"\nsecret_id = "AKIDgate', "tencent", "region"),
        ('api_key = "baidu', 'api_key = "other', "baidu", "api_key"),
        ('access_key_secret = "aliyun', 'access_key_secret = "other', "aliyun", "access_key_secret"),
    ],
)
def test_every_mistake_of_an_operator_ends_with_one_sentence(
    old: str, new: str, name: str, words: str, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(files[1])
    before = file.read_text("utf-8")
    assert old in before
    file.write_text(before.replace(old, new), "utf-8")
    code, out, err = run(["read", files[0], "--provider", name, "--config", files[1]], capsys)
    assert (code, out) == (1, "")
    assert err.startswith(f"vin-agent: {name}")
    assert words in err
    assert err.count("\n") == 1


def test_an_empty_purse_ends_with_one_sentence(server: VendorServer, files: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    server.fail("tencent", "ResourceUnavailable.ResourcePackageRunOut")
    code, out, err = run(["read", files[0], "--provider", "tencent", "--config", files[1]], capsys)
    assert (code, out) == (1, "")
    assert "ResourcePackageRunOut" in err
    assert err.count("\n") == 1


def test_calls_made_by_hand_are_booked_and_end_with_the_budget_of_the_gate(
    files: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path(files[1])
    limits = f"[agent]\nstate_dir = '{tmp_path}/state'\n[reading]\ncalls_per_day = 2"
    file.write_text(file.read_text("utf-8").replace("[reading]", limits), "utf-8")
    (tmp_path / "state").mkdir()
    with Store.open(tmp_path / "state", config.Store(), Clock().now().utc_ms) as store:
        for _ in range(2):
            assert run(["read", files[0], "--provider", "tencent", "--config", files[1]], capsys)[0] == 0
        code, _, err = run(["read", files[0], "--provider", "tencent", "--config", files[1]], capsys)
        assert (code, err) == (1, "vin-agent: tencent: the budget of [reading] is spent for now; raise it there or wait\n")
        assert store.ledger.spent("tencent", 0).calls == 2


def test_a_picture_the_vendor_cannot_read_is_no_success(
    server: VendorServer, files: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    server.world.reader = lambda _: None
    code, out, err = run(["read", files[0], "--provider", "tencent", "--config", files[1]], capsys)
    server.world.reader = lambda _: VIN
    assert code == 1
    assert "unread" in out
    assert "without a VIN" in err


@pytest.mark.parametrize(("own", "base"), [("tencent_vehicle_licence", "tencent"), ("tencent_legacy_licence", "tencent_legacy_vin")])
def test_an_empty_key_is_that_of_the_account_beside_it_and_a_set_one_wins(own: str, base: str) -> None:
    providers = replace(
        settings("https://base.example").provider, **{own: type(getattr(config.Providers(), own))(secret_key=Secret("own"))}
    )
    section = config_accounts.section(providers, own.replace("_", "-"))
    assert section.secret_key.reveal() == "own"
    assert section.secret_id == getattr(providers, base).secret_id
    assert section.url == "https://base.example"


def test_a_code_no_table_holds_is_told_to_a_person_once(caplog: pytest.LogCaptureFixture) -> None:
    body = b'{"Response": {"Error": {"Code": "Brand.New", "Message": "?"}, "RequestId": "r"}}'
    with stubbed("tencent", lambda _: httpx.Response(200, content=body, headers={"content-type": "application/json"})) as tencent:
        for _ in range(3):
            with pytest.raises(RetryLater, match="not in the agent's tables") as trouble:
                tencent.read(image())
    assert trouble.value.tries == 2
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert told == ["tencent answered Brand.New, which is in none of the agent's tables: look it up with the vendor"]
