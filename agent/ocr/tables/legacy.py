"""Tencent's legacy image service: one numbering for vin_detection and both versions of drivinglicence, HTTP status included."""

from agent.ocr.faults import Action, Row, Table

RETRY, THROTTLE, AUTH, BILLING = Action.RETRY, Action.THROTTLE, Action.AUTH, Action.BILLING
CLOCK, RENEW, REJECT, NOVIN = Action.CLOCK, Action.RENEW, Action.REJECT, Action.NOVIN

_REQUEST = "the request is not what this service takes; check appid, bucket and page version in the settings"
_KEYS = "appid, secret_id and secret_key do not belong together; copy all three from the main account's page of API keys"
_BUSY = "the service has a fault of its own; the agent tries again"
_PICTURE = "the picture cannot be used; it is not sent there again"
_LARGE = "the picture is too large; it is not sent there again"
_UNREAD = "nothing could be read in this picture; another picture or provider may do"
_PAID = "the account has run out of money; top it up in the billing centre"
_ADDRESS = "there is no such call at this address; check the configured host"

# The only sign of arrears: spacing and the colon vary between versions of the service.
ARREARS = r"account\s*abnormal\s*[,，]?\s*errorno\s*is\s*[:：]\s*2(?!\d)"

LEGACY = Table(
    rows=(
        Row("3", BILLING, _PAID, text=ARREARS),
        Row("3", AUTH, _REQUEST),
        Row("4", AUTH, "the signature is missing; check that no proxy takes the Authorization header away"),
        Row("5 14", AUTH, "the signature does not fit; check secret_key and that it belongs to the main account"),
        Row("6", AUTH, "appid or bucket differ between signature and request; check appid and bucket in the settings"),
        Row("7 8", RETRY, _BUSY),
        Row("9", CLOCK, "the signature is over; set the clock of this device right (NTP)"),
        Row("10 11 12", AUTH, _KEYS),
        Row(
            "13",
            RENEW,
            "the signature was used before and a fresh one was refused as well; check the clock, and that no proxy repeats requests",
        ),
        Row("15", THROTTLE, "too many calls at once for this account; lower per_s, other gates of the account count as well"),
        Row("16", AUTH, "the bucket is unknown; check bucket in the settings, or empty it where the service needs none"),
        Row("17 18 21 -1301", AUTH, _REQUEST),
        Row("19 20 23", REJECT, _LARGE),
        Row("24", AUTH, "this key may not call OCR; the service takes main-account keys of activated accounts alone"),
        Row("25", BILLING, "the bought calls are used up; buy more in the OCR console"),
        Row("107 108 200 201 202 203 213 -5208", RETRY, _BUSY),
        Row("-1102 -1300 -1304 -9005 -9010 -9011", REJECT, _PICTURE),
        Row("-9006", REJECT, _PICTURE, tries=2),
        Row("-1308", RETRY, "the vendor could not fetch the picture; the agent tries again"),
        Row("-9001", AUTH, "this type of document is unknown to the service; set type to 0, 1 or 2 as its page version allows"),
        Row("-9002 -9003", NOVIN, _UNREAD),
        Row("400 http.400", AUTH, _REQUEST),
        Row("401 403 http.401 http.403", AUTH, _KEYS),
        Row("404 424 http.404 http.424", AUTH, _ADDRESS),
        Row("411 http.411", AUTH, "the length of the request is missing; check that no proxy cuts requests into chunks"),
        Row("413 http.413", REJECT, _LARGE),
        Row("http.429", THROTTLE, "too many calls at once; lower per_s"),
        Row("500 502 503 504 http.5xx", RETRY, _BUSY),
    )
)
