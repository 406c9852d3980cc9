"""Huawei Cloud: OCR itself (AIS), the platform under it (ModelArts), the API gateway (APIG) and the token service (IAM)."""

from agent.ocr.faults import Action, Row, Table

RETRY, THROTTLE, AUTH, BILLING = Action.RETRY, Action.THROTTLE, Action.AUTH, Action.BILLING
CLOCK, RENEW, REJECT, NOVIN = Action.CLOCK, Action.RENEW, Action.REJECT, Action.NOVIN

LOCK_S = 900.0  # an account of IAM stays locked for 15 minutes
KEY_LOCK_S = 600.0  # an AK/SK for 5 minutes after some five wrong signatures; asked again no sooner than any other provider

_REQUEST = "the request is not what this API takes; update the agent, or check host and project_id"
_TOKEN = "the token is refused, a fresh one as well; check user, account name and project of the settings"  # noqa: S105  # a sentence
_ADDRESS = "there is no such call at this address; VIN is offered in cn-north-4 alone, check region, host and project_id"
_RIGHTS = "this user may not call OCR; give it the right OCR FullAccess in the project (IAM)"
_RULE = "a rule of the gateway refuses this address or account; change the access rules or ask Huawei"
_KEYS = "access key or secret key is wrong; check both for blanks and other clouds, and mind that wrong ones lock the key for minutes"
_LOGIN = "account, user or password is wrong; correct them, for the account locks after a few wrong log-ins"
_BUSY = "the service has a fault of its own; the agent tries again"
_PICTURE = "the picture cannot be used; it is not sent there again"
_LARGE = "the picture is too large; it is not sent there again"
_UNREAD = "no VIN could be read in this picture; another picture or provider may do"
_CLOCK = "the signature is over 15 minutes off; set the clock of this device right (NTP)"
_LIMIT = "too many calls at once for this account; lower per_s, other gates of the account count as well"
_URL = "the vendor could not use the picture's address; the agent sends pictures, so check the proxy"

_OCR = (
    Row("AIS.0101 AIS.0117 AIS.0118 AIS.0119 AIS.0120 AIS.0121", AUTH, _REQUEST),
    Row("AIS.0102 AIS.0122", REJECT, _PICTURE),
    Row("AIS.0103", REJECT, "a side of the picture is outside 15 to 4096 pixels; it is not sent there again"),
    Row("AIS.0104", NOVIN, _UNREAD),
    Row("AIS.0105", NOVIN, _UNREAD, tries=2),
    Row("ModelArts.0203 ModelArts.4101 ModelArts.4102 ModelArts.4103", RENEW, _TOKEN),
    Row("ModelArts.0212", AUTH, "the token knows no project; set project or project_id so that it is scoped to one"),
    Row("ModelArts.4104", REJECT, _LARGE),
    Row("ModelArts.4105 ModelArts.4201 ModelArts.4202 ModelArts.4503 ModelArts.4504 ModelArts.4506", AUTH, _ADDRESS),
    Row("ModelArts.4106", BILLING, "the account is restricted; see the account centre for arrears"),
    Row("ModelArts.4107 ModelArts.4301 ModelArts.4302", RETRY, _BUSY),
    Row("ModelArts.4203", AUTH, _RIGHTS),
    Row(
        "ModelArts.4204",
        AUTH,
        "OCR is not subscribed in this region; open its console, choose the region of the settings and subscribe VIN",
    ),
    Row("ModelArts.4401", THROTTLE, _LIMIT),
    Row("ModelArts.4402 ModelArts.4403 ModelArts.4502 ModelArts.4505 ModelArts.4508", RETRY, _BUSY),
    Row("ModelArts.4601 ModelArts.4703 ModelArts.4702 ModelArts.4706", AUTH, _URL),
    Row("ModelArts.4603 ModelArts.4704", RETRY, "the vendor could not fetch the picture; the agent tries again"),
    Row("ModelArts.4705", REJECT, _LARGE),
)
_GATEWAY = (
    Row("APIG.0101 APIG.0108", AUTH, _ADDRESS),
    Row("APIG.0103 APIG.0104 APIG.0105 APIG.0107", RETRY, _BUSY),
    Row("APIG.0106", AUTH, _REQUEST),
    # One code for seven faults: only the status tells them apart.
    Row("APIG.0201", AUTH, _REQUEST, status=(400, 414, 494)),
    Row("APIG.0201", REJECT, _LARGE, status=(413,)),
    Row("APIG.0201", RETRY, "the service behind the gateway does not answer; the agent waits a little", after=3.0, status=(500, 502, 504)),
    Row("APIG.0202 APIG.0203", RETRY, _BUSY),
    Row("APIG.0204 APIG.0205", AUTH, "the gateway refuses this TLS connection; check the proxy on the way"),
    Row("APIG.0301 APIG.0303", CLOCK, _CLOCK, text=r"signature expired|signature time"),
    Row("APIG.0301", RENEW, _TOKEN, text=r"\btoken"),
    Row("APIG.0301", AUTH, _KEYS, after=KEY_LOCK_S),
    Row("APIG.0303 APIG.0305", AUTH, _KEYS, after=KEY_LOCK_S),
    Row("APIG.0302 APIG.0304 APIG.0306", AUTH, _RIGHTS),
    Row("APIG.0307", RENEW, "the token is refused, a fresh one as well; it must be scoped to the region that is called"),
    Row("APIG.0308", THROTTLE, _LIMIT),
    Row("APIG.0310 APIG.0311 APIG.0312 APIG.0313 APIG.0314", AUTH, _RIGHTS),
    Row("APIG.0401 APIG.0402 APIG.0404 APIG.0405 APIG.0802", AUTH, _RULE),
    Row("APIG.0501", BILLING, "the quota of the API is used up; buy more calls in the console"),
    Row("APIG.0502", BILLING, "the account is frozen or out of money; top it up in the billing centre"),
    Row("APIG.0601 APIG.0605 APIG.0606 APIG.0608 APIG.0609 APIG.0610 APIG.0611 APIG.0612", RETRY, _BUSY),
    Row("APIG.0613 APIG.0615 APIG.0616 APIG.0617 APIG.0705", RETRY, _BUSY),
    Row("APIG.0602 APIG.0607", AUTH, _REQUEST),
    Row("APIG.1001 APIG.1002 APIG.1003 APIG.1004 APIG.1009 APIG.2102", AUTH, _RULE),
    Row("APIG.2201 APIG.2202 APIG.2203 APIG.2204 APIG.2205 APIG.2206 APIG.2207", AUTH, _RULE),
    Row("APIG.2208 APIG.2209 APIG.2210 APIG.2211 APIG.2212 APIG.2213", AUTH, _RULE),
)
_TOKENS = (
    Row("IAM.0007 IAM.0011", AUTH, _REQUEST),
    Row("IAM.1105 IAM.1107 IAM.1108", AUTH, "the key is over or switched off; make a new one in the console (IAM)"),
    Row("IAM.1109 IAM.0004", AUTH, "the project is unknown; set project to the region's name, such as cn-north-4"),
    Row("IAM.0001 IAM.0062 IAM.0063 IAM.0066 IAM.0067", AUTH, _LOGIN, after=LOCK_S),
    Row(
        "IAM.0061",
        AUTH,
        "the account is locked after wrong log-ins; correct the password, the agent asks again in 15 minutes",
        after=LOCK_S,
    ),
    Row("IAM.0064 IAM.0002 IAM.0003 IAM.0080 IAM.0082", AUTH, _RIGHTS, after=LOCK_S),
    Row("IAM.0012", THROTTLE, _LIMIT),
    Row("IAM.0005 IAM.0006", RETRY, _BUSY),
)
_STATUS = (
    Row("http.401", RENEW, _TOKEN),
    Row("http.403", AUTH, _RIGHTS),
    Row("http.404", AUTH, _ADDRESS),
    Row("http.408", RETRY, _BUSY),
    Row("http.411", AUTH, "the length of the request is missing; check that no proxy cuts requests into chunks"),
    Row("http.413", THROTTLE, "the service takes no more for the moment; the agent waits as long as it asks", asked=True),
    Row("http.413", REJECT, _LARGE),
    Row("http.429", THROTTLE, _LIMIT),
    Row("http.5xx", RETRY, _BUSY),
)

# Huawei bills every answer with status 2xx and nothing else.
HUAWEI = Table(rows=_OCR + _GATEWAY + _TOKENS + _STATUS, spelt=(("APIGW.", "APIG."),), charged=False)
