"""Baidu AI: the codes of its gateway (small numbers), of OCR (216… and 282…) and of its token service (words)."""

from agent.ocr.faults import Action, Row, Table

RETRY, THROTTLE, AUTH, RENEW = Action.RETRY, Action.THROTTLE, Action.AUTH, Action.RENEW
BILLING, REJECT, NOVIN = Action.BILLING, Action.REJECT, Action.NOVIN

_BUSY = "the service has a fault of its own; the agent tries again"
_REQUEST = "the request is not what this API takes; update the agent, or check the host"
_KEYS = "api_key or secret_key is wrong; copy both again from the application's page in the console"
_TOKEN = "the access token is refused, a fresh one as well; check that the application has the OCR call it needs"  # noqa: S105  # a sentence
_PICTURE = "the picture cannot be used; it is not sent there again"
_UNREAD = "no VIN could be read in this picture; another picture or provider may do"

BAIDU = Table(
    rows=(
        Row("1 2 282000", RETRY, _BUSY),
        Row("3 100 216100 216101 216102 216103 282003", AUTH, _REQUEST),
        Row("4", THROTTLE, "the service is crowded; the agent slows down"),
        Row("6", AUTH, "the application may not make this call; add VIN recognition to it in the console"),
        Row("14 216110", AUTH, _KEYS),
        Row("17", THROTTLE, "the calls of today are used up; buy more, or wait for midnight in China", midnight=True),
        Row("18", THROTTLE, "too many calls at once for this application; lower per_s"),
        Row("19", BILLING, "all calls of the account are used up; buy more in the console"),
        Row("110 111", RENEW, _TOKEN),
        Row("216200 216201 216202", REJECT, _PICTURE),
        Row("216630 216634 282102 282103", NOVIN, _UNREAD),
        Row("invalid_client unsupported_grant_type", AUTH, _KEYS),
        Row("http.401 http.403", AUTH, _KEYS),
        Row("http.413", REJECT, _PICTURE),
        Row("http.429", THROTTLE, "too many calls at once; lower per_s"),
        Row("http.5xx", RETRY, _BUSY),
    )
)
