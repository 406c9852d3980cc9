"""Tencent Cloud API 3.0: the codes common to its products, those of OCR, and bare HTTP status (its SDKs call those network faults)."""

from agent.ocr.faults import Action, Row, Table

RETRY, THROTTLE, AUTH, BILLING = Action.RETRY, Action.THROTTLE, Action.AUTH, Action.BILLING
CLOCK, REJECT, NOVIN = Action.CLOCK, Action.REJECT, Action.NOVIN

_KEY = "the SecretId is unknown; check it for blanks, for a deleted key and for a key of the other site (China or international)"
_REQUEST = "the request is not what this API takes; update the agent, or check region and host"
_RIGHTS = "this key may not call OCR; give its user the right QcloudOCRFullAccess or one for this action (CAM)"
_SIGNATURE = "the signature does not fit; check secret_key, and that no proxy changes requests"
_REGION = "this call is not offered there; empty the region in the settings, or name another"
_BUSY = "the service has a fault of its own; the agent tries again"
_LIMIT = "too many calls at once for this account; lower per_s, other gates of the account count as well"
_ADDRESS = "calls from this address are refused; change the access list of the account"
_PICTURE = "the picture cannot be decoded; it is not sent there again"
_LARGE = "the picture is too large; lower max_base64, it is not sent there again"
_UNREAD = "no VIN could be read in this picture; another picture or provider may do"
_CARD = "this is no vehicle licence, or the wrong side of one; another picture may do"
_DOWNLOAD = "the vendor could not fetch the picture; the agent tries again"
_PAID = "the account has run out of money; top it up in the billing centre"

TENCENT = Table(
    rows=(
        Row("AuthFailure.SecretIdNotFound", AUTH, _KEY),
        Row("AuthFailure.InvalidSecretId", AUTH, "the SecretId is not one of an API key; copy it again from the page of API keys (CAM)"),
        Row("AuthFailure.SignatureFailure", AUTH, _SIGNATURE),
        Row("AuthFailure.SignatureExpire", CLOCK, "the signature is over five minutes off; set the clock of this device right (NTP)"),
        Row("AuthFailure.TokenFailure", AUTH, "the session token is wrong or over; put a fresh token with its keys into the settings"),
        Row("AuthFailure.MFAFailure", AUTH, "the account wants a second factor for API calls; use a key that needs none"),
        Row("AuthFailure.InvalidAuthorization AuthFailure", AUTH, "the log-in is refused; check secret_id, secret_key and token"),
        Row("AuthFailure.UnauthorizedOperation UnauthorizedOperation", AUTH, _RIGHTS),
        Row("ActionOffline", AUTH, "the vendor has withdrawn this call; use another provider"),
        Row("DryRunOperation", AUTH, "the call was only rehearsed; something on the way adds DryRun to it"),
        Row("InvalidAction NoSuchProduct NoSuchVersion", AUTH, _REQUEST),
        Row("InvalidParameter InvalidParameterValue MissingParameter UnknownParameter InvalidRequest", AUTH, _REQUEST),
        Row("InvalidParameterValue.InvalidParameterValueLimit", AUTH, _REQUEST, charged=False),
        Row("IpInBlacklist IpNotInWhitelist", AUTH, _ADDRESS),
        Row("ResourceNotFound", AUTH, "the resource does not exist; check that OCR is activated for this account"),
        Row("UnsupportedOperation", AUTH, _REGION, charged=False),
        Row("UnsupportedProtocol UnsupportedRegion", AUTH, _REGION),
        Row("FailedOperation.UnOpenError", AUTH, "OCR is not activated for this account; activate it in the OCR console", charged=False),
        Row("ResourceUnavailable.InArrears", BILLING, _PAID),
        Row("FailedOperation.ArrearsError", BILLING, _PAID),
        Row("ResourceUnavailable.ResourcePackageRunOut", BILLING, "the resource package is used up; buy another in the OCR console"),
        Row(
            "ResourcesSoldOut.ChargeStatusException",
            BILLING,
            "the account's billing state forbids calls; see the OCR console",
            charged=False,
        ),
        Row("RequestLimitExceeded RequestLimitExceeded.IPLimitExceeded", THROTTLE, _LIMIT),
        Row("RequestLimitExceeded.UinLimitExceeded RequestLimitExceeded.GlobalRegionUinLimitExceeded", THROTTLE, _LIMIT),
        Row("LimitExceeded", THROTTLE, "a quota of the account is reached; raise it in the console or wait", after=60.0),
        Row(
            "FailedOperation.CountLimitError",
            THROTTLE,
            "the calls of today are used up; they begin anew at midnight in China",
            midnight=True,
        ),
        Row("FailedOperation", RETRY, _BUSY, tries=2),
        Row("FailedOperation.UnKnowError", RETRY, _BUSY, tries=2, charged=False),
        Row("FailedOperation.EngineRecognizeTimeout", RETRY, _BUSY, charged=False),
        Row("FailedOperation.ResponseParseFailed", RETRY, _BUSY),
        Row("InternalError ResourceInUse", RETRY, _BUSY, charged=False),
        Row("ResourceInsufficient ResourceUnavailable ServiceUnavailable", RETRY, _BUSY),
        Row("FailedOperation.DownLoadError", RETRY, _DOWNLOAD, charged=False),
        Row("ResourceUnavailable.ImageDownloadError", RETRY, _DOWNLOAD),
        Row("FailedOperation.EmptyImageError", REJECT, "the picture is empty; it is not sent there again", charged=True),
        Row("FailedOperation.ImageDecodeFailed", REJECT, _PICTURE, charged=False),
        Row(
            "FailedOperation.FileDecodeFailed FailedOperation.UnKnowFileTypeError InvalidParameter.EngineImageDecodeFailed",
            REJECT,
            _PICTURE,
        ),
        Row("LimitExceeded.TooLargeFileError FailedOperation.ImageSizeTooLarge", REJECT, _LARGE, charged=False),
        Row("RequestSizeLimitExceeded ResponseSizeLimitExceeded", REJECT, _LARGE),
        Row("FailedOperation.OcrFailed", NOVIN, _UNREAD, tries=2, charged=False),
        Row("FailedOperation.ImageNoText FailedOperation.ImageBlur", NOVIN, _UNREAD, charged=False),
        Row("FailedOperation.DetectFailed", NOVIN, _UNREAD),
        Row("FailedOperation.NoVehicleLicenseError FailedOperation.ImageNoSpecifiedCard", NOVIN, _CARD),
        Row("FailedOperation.LicenseCardSideError FailedOperation.CardSideError", NOVIN, _CARD),
        Row("FailedOperation.ImageNoBusinessCard", NOVIN, _CARD, charged=True),
        Row("FailedOperation.MultiCardError FailedOperation.LicenseMultiCardError", NOVIN, "several cards are in the picture; show one"),
        Row("http.429", THROTTLE, _LIMIT),
        Row("http.5xx", RETRY, _BUSY),
        Row("http.3xx http.4xx", AUTH, "this is not how API 3.0 answers; check host and proxy"),
    )
)
