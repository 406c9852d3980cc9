"""Aliyun OCR (ocr-api 2021-07-07): the codes of its gateway and of the service."""

from agent.ocr.faults import Action, Row, Table

RETRY, THROTTLE, AUTH, BILLING = Action.RETRY, Action.THROTTLE, Action.AUTH, Action.BILLING
CLOCK, RENEW, REJECT, NOVIN = Action.CLOCK, Action.RENEW, Action.REJECT, Action.NOVIN

_BUSY = "the service has a fault of its own; the agent tries again"
_KEY = "the AccessKey is unknown or switched off; copy it again from the page of AccessKeys (RAM)"
_RIGHTS = "this key may not call OCR; give its user the right AliyunOCRFullAccess (RAM)"
_LIMIT = "too many calls at once for this account; lower per_s, other gates of the account count as well"
_PICTURE = "the picture cannot be used; it is not sent there again"
_PAID = "the account has run out of money or calls; top it up in the console"

ALIYUN = Table(
    rows=(
        Row("Throttling Throttling.User Throttling.Api", THROTTLE, _LIMIT),
        Row("InvalidAccessKeyId InvalidAccessKeyId.NotFound InvalidAccessKeyId.Inactive", AUTH, _KEY),
        Row(
            "SignatureDoesNotMatch IncompleteSignature",
            AUTH,
            "the signature does not fit; check access_key_secret and that no proxy changes requests",
        ),
        Row(
            "SignatureNonceUsed",
            RENEW,
            "the signature was used before and a fresh one was refused as well; check for a proxy that repeats requests",
        ),
        Row(
            "InvalidTimeStamp InvalidTimeStamp.Expired",
            CLOCK,
            "the signature is over 15 minutes off; set the clock of this device right (NTP)",
        ),
        Row("noPermission NoPermission Forbidden", AUTH, _RIGHTS),
        Row("ocrServiceNotOpen", AUTH, "VIN recognition is not activated for this account; activate it in the OCR console"),
        Row(
            "InvalidAction InvalidVersion MissingParameter InvalidParameter", AUTH, "the request is not what this API takes; check the host"
        ),
        Row("ocrServiceExpired ocrServiceOverdue InsufficientBalance", BILLING, _PAID),
        Row("illegalImageSize exceededImageSize unsupportedImageFormat illegalImageContent", REJECT, _PICTURE),
        Row("unmatchedImageType", NOVIN, "no VIN could be read in this picture; another picture or provider may do"),
        Row("ServiceUnavailable InternalError", RETRY, _BUSY),
        Row("http.401 http.403", AUTH, _RIGHTS),
        Row("http.413 http.415", REJECT, _PICTURE),
        Row("http.429", THROTTLE, _LIMIT),
        Row("http.5xx", RETRY, _BUSY),
    )
)
