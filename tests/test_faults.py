"""What the agent does next, for every error code a vendor documents."""

from dataclasses import dataclass

import pytest

from agent.errors import AgentError, NeedsOperator, Rejected, RetryLater
from agent.ocr.faults import LONGEST_TEXT, PROBE_S, Action, Fault, Table, error, find, plain, until_midnight
from agent.ocr.tables.aliyun import ALIYUN
from agent.ocr.tables.baidu import BAIDU
from agent.ocr.tables.huawei import HUAWEI
from agent.ocr.tables.legacy import LEGACY
from agent.ocr.tables.tencent import TENCENT
from tests import fault_labels

VENDORS: dict[str, tuple[Table, str, int]] = {  # table, judge, the HTTP status an error comes with unless its line says
    "tencent": (TENCENT, fault_labels.TENCENT, 200),
    "huawei": (HUAWEI, fault_labels.HUAWEI, 400),
    "legacy": (LEGACY, fault_labels.LEGACY, 200),
    "baidu": (BAIDU, fault_labels.BAIDU, 200),
    "aliyun": (ALIYUN, fault_labels.ALIYUN, 400),
}


@dataclass(frozen=True)
class Case:
    vendor: str
    action: str
    code: str
    status: int
    message: str

    def __str__(self) -> str:
        return f"{self.vendor} {self.code} {self.status} {self.message} → {self.action}"

    def found(self) -> Fault:
        code = "" if self.code.startswith("http.") else self.code
        return find(VENDORS[self.vendor][0], code, self.status, self.message)


def cases(vendor: str) -> list[Case]:
    made = []
    _, judge, usual = VENDORS[vendor]
    for line in judge.split("\n"):
        action, *codes = line.split() or [""]
        for each in codes:
            code, _, message = each.partition("~")
            code, _, status = code.partition("@")
            http = code.removeprefix("http.").replace("xx", "18") if code.startswith("http.") else status
            made.append(Case(vendor, action, code, int(http or usual), message.replace("_", " ")))
    return made


ALL = [case for vendor in VENDORS for case in cases(vendor)]
# What the chain does next is in the kind of error and in the wait that comes with it.
NEXT: dict[str, type[AgentError]] = {
    "retry": RetryLater,  # asks again soon
    "throttle": RetryLater,  # asks again, slower
    "clock": RetryLater,  # asks again once the clock is corrected
    "auth": NeedsOperator,  # leaves the provider alone for minutes, as with the next two
    "billing": NeedsOperator,
    "renew": NeedsOperator,
    "reject": Rejected,  # never sends the picture there again, as with the next
    "novin": Rejected,
}


@pytest.mark.parametrize("case", ALL, ids=str)
def test_the_agent_knows_what_to_do_about(case: Case) -> None:
    fault = case.found()
    raised = error(fault, case.vendor, case.message)

    kind = NEXT[case.action]
    assert (fault.action, type(raised), fault.unknown) == (case.action, kind, False)
    assert raised.action == case.action
    if kind is NeedsOperator:
        assert raised.after is not None
        assert raised.after >= PROBE_S
    if kind is Rejected:
        assert raised.after is None
    assert str(raised).startswith(f"{case.vendor} answered ")
    assert fault.advice in str(raised)
    assert "\n" not in str(raised)


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_code_of_a_table_goes_unjudged(vendor: str) -> None:
    table, judge, _ = VENDORS[vendor]
    known = [code for row in table.rows for code in row.codes.split()]
    judged = {code.partition("~")[0].partition("@")[0] for line in judge.split("\n") for code in line.split()[1:]}

    assert set(known) == judged


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_row_of_a_table_is_hidden_by_one_above_it(vendor: str) -> None:
    seen: set[tuple[str, tuple[int, ...], str, bool]] = set()
    for row in VENDORS[vendor][0].rows:
        for code in row.codes.split():
            assert (code, (), "", False) not in seen, f"{code} is decided before {row}"
            seen.add((code, row.status, row.text, row.asked))


@pytest.mark.parametrize("vendor", VENDORS)
def test_every_advice_is_one_clear_sentence(vendor: str) -> None:
    for row in VENDORS[vendor][0].rows:
        assert row.advice == row.advice.strip()
        assert 30 < len(row.advice) < 140, row.advice
        assert not row.advice.endswith("."), row.advice
        if row.action in (Action.AUTH, Action.BILLING, Action.CLOCK, Action.RENEW):
            words = set(row.advice.replace(",", "").replace(";", "").split())
            doing = {"check", "set", "give", "put", "copy", "use", "change", "empty", "activate", "buy", "top", "correct", "see", "update",
                     "make", "open", "add", "adds", "takes", "must"}  # fmt: skip
            assert words & doing, f"nothing to do in: {row.advice}"


def test_the_codes_with_a_test_of_their_own_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {vendor: len(cases(vendor)) for vendor in VENDORS}
    with capsys.disabled():
        print(
            f" [{sum(counts.values())} error codes with their test: {', '.join(f'{name} {count}' for name, count in counts.items())}]",
            end="",
        )

    assert sum(counts.values()) == len({str(case) for case in ALL})
    assert sum(counts.values()) >= 250


def test_the_older_spelling_of_the_gateways_codes_means_the_same() -> None:
    assert find(HUAWEI, "APIGW.0308", 429, "") == Fault(
        Action.THROTTLE, "APIGW.0308", find(HUAWEI, "APIG.0308", 429, "").advice, charged=False
    )


@pytest.mark.parametrize(
    ("code", "status", "action"),
    [
        pytest.param("FailedOperation.SomethingNew", 200, Action.RETRY, id="its family is known"),
        pytest.param("AuthFailure.SomethingNew.Deeper", 200, Action.AUTH, id="its family is known, two dots up"),
        pytest.param("SomethingNew", 429, Action.THROTTLE, id="its status is known"),
        pytest.param("SomethingNew", 503, Action.RETRY, id="its status is of a known kind"),
        pytest.param("  RequestLimitExceeded ", 200, Action.THROTTLE, id="it stands between blanks"),
    ],
)
def test_a_new_code_is_taken_for_the_nearest_known_one(code: str, status: int, action: Action) -> None:
    fault = find(TENCENT, code, status, "")

    assert (fault.action, fault.unknown) == (action, False)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_code_nobody_knows_is_tried_twice_and_told(vendor: str) -> None:
    fault = find(VENDORS[vendor][0], "Nobody.Knows", 200, "")

    assert (fault.action, fault.tries, fault.unknown) == (Action.RETRY, 2, True)
    raised = error(fault, vendor, "")
    assert (type(raised), raised.tries) == (RetryLater, 2)
    assert "Nobody.Knows" in str(raised)
    assert "not in the agent's tables" in str(raised)


@pytest.mark.parametrize(
    ("table", "code", "tries", "charged"),
    [
        (TENCENT, "FailedOperation", 2, None),
        (TENCENT, "FailedOperation.UnKnowError", 2, False),
        (TENCENT, "FailedOperation.OcrFailed", 2, False),
        (TENCENT, "FailedOperation.EmptyImageError", None, True),
        (TENCENT, "FailedOperation.ImageNoBusinessCard", None, True),
        (TENCENT, "InternalError", None, False),
        (TENCENT, "ResourceUnavailable.InArrears", None, None),
        (HUAWEI, "AIS.0105", 2, False),
        (HUAWEI, "AIS.0104", None, False),
        (LEGACY, "-9006", 2, None),
    ],
)
def test_how_often_a_picture_is_sent_and_whether_it_was_billed_is_passed_on(
    table: Table, code: str, tries: int | None, charged: bool | None
) -> None:
    fault = find(table, code, 400, "")

    raised = error(fault, "x", "")
    assert (fault.tries, fault.charged) == (raised.tries, raised.charged) == (tries, charged)


@pytest.mark.parametrize(
    ("message", "wait"),
    [
        ("The throttling threshold has been reached: policy ip over ratelimit,limit:20,time:1 minute", 60.0),
        ("policy domain over ratelimit,limit:6000,time:1 second", 1.0),
        ("limit: 5, time: 2 hours", 7200.0),
        ("limit:1,time:1 day", 86_400.0),
        ("over the limit", None),
    ],
)
def test_a_wait_the_text_names_is_kept(message: str, wait: float | None) -> None:
    raised = error(find(HUAWEI, "APIG.0308", 429, message), "huawei", message)

    assert (type(raised), raised.after) == (RetryLater, wait)


def test_a_wait_the_header_names_goes_before_the_one_in_the_text() -> None:
    assert find(HUAWEI, "APIG.0308", 429, "limit:20,time:1 minute", retry_after=7.0).after == 7.0


def test_a_body_too_large_is_rejected_unless_the_vendor_says_when_to_come_back() -> None:
    assert find(HUAWEI, "", 413, "").action == Action.REJECT
    waited = find(HUAWEI, "", 413, "", retry_after=30.0)
    assert (waited.action, waited.after) == (Action.THROTTLE, 30.0)


@pytest.mark.parametrize(
    ("now", "wait"),
    [
        pytest.param(1699977600, 86_400, id="midnight in China"),
        pytest.param(1699979400, 84_600, id="half past midnight in China, 16:30 in Greenwich"),
        pytest.param(1700006399, 57_601, id="one second before midnight in Greenwich"),
        pytest.param(1700063999, 1, id="one second before midnight in China"),
        pytest.param(0, 57_600, id="a device in 1970"),
    ],
)
@pytest.mark.parametrize(("table", "code"), [(TENCENT, "FailedOperation.CountLimitError"), (BAIDU, "17")])
def test_a_daily_count_is_waited_out_until_midnight_in_china(table: Table, code: str, now: int, wait: int) -> None:
    raised = error(find(table, code, 200, "", now=now), "x", "")

    assert (type(raised), raised.after, until_midnight(now)) == (RetryLater, wait, wait)


@pytest.mark.parametrize(
    ("code", "status", "message", "least"),
    [
        pytest.param("IAM.0061", 401, "locked", 900, id="account locked for 15 minutes"),
        pytest.param("IAM.0062", 401, "wrong password", 900, id="one more wrong password would lock the account"),
        pytest.param("APIG.0301", 401, "verify aksk signature fail", 300, id="wrong signatures lock a key for 5 minutes"),
        pytest.param("APIG.0301", 401, "ak QTWAOYTTINDUT2QVKYUC not exist", 300, id="unknown key"),
    ],
)
def test_a_lock_is_waited_out(code: str, status: int, message: str, least: float) -> None:
    raised = error(find(HUAWEI, code, status, message), "huawei", message)

    assert isinstance(raised, NeedsOperator)
    assert raised.after is not None
    assert raised.after >= least


@pytest.mark.parametrize(
    "message",
    [
        "account abnormal,errorno is:2",
        "ACCOUNT ABNORMAL, errorno is: 2",
        "account abnormal，errorno is：2",
        "bad request: account  abnormal ,errorno is :2.",
    ],
)
def test_arrears_are_told_from_a_bad_request_by_the_text_alone(message: str) -> None:
    assert find(LEGACY, "3", 200, message).action == Action.BILLING
    assert find(LEGACY, "3", 200, message.replace("2", "21")).action == Action.AUTH
    assert find(LEGACY, "3", 200, "bad request").action == Action.AUTH


@pytest.mark.parametrize(
    "text",
    [
        "ak QTWAOYTTINDUT2QVKYUC not exist",
        "verify fail, canonicalRequest:POST|/v2/x/ocr/vin/||host:secret.example|x-sdk-date:1|QTWAOYTTINDUT2QVKYUC",
        "SecretId AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE is not found",
        '{"image":"/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT"}',
        "password of gate-user is hunter2!",
    ],
)
def test_no_secret_shows_in_what_a_vendor_is_quoted_with(text: str) -> None:
    shown = plain(text, secrets=("hunter2!", ""))

    for secret in ("QTWAOYTTINDUT2QVKYUC", "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE", "/9j/", "hunter2", "secret.example"):
        assert secret not in shown
    assert "***" in shown
    assert plain(text, secrets=("hunter2!",)) in str(error(find(HUAWEI, "APIG.0301", 401, text), "huawei", text, secrets=("hunter2!",)))


def test_a_code_that_is_none_is_not_repeated() -> None:
    assert find(TENCENT, "QTWAOYTTINDUT2QVKYUC\n" + "x" * 200, 200, "").code == "an unreadable code"


def test_a_request_id_stays_readable_and_a_long_text_is_cut() -> None:
    assert plain("RequestId 0c2e1d7c-9c6e-4b0d-8d2f-2f4d4a0a7f11\r\n\x1b[31mx") == "RequestId 0c2e1d7c-9c6e-4b0d-8d2f-2f4d4a0a7f11 [31mx"
    assert len(plain("far too long " * 100)) == LONGEST_TEXT
