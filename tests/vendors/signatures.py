"""Recomputes every vendor's signature from what arrived; written from the vendors' documents, apart from the agent's signer."""

import base64
import binascii
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from urllib.parse import quote, unquote

from tests.vendors.wire import Call

_FIELDS = re.compile(r"\s*([A-Za-z]+)=([^,\s]+)\s*,?")


def fields(authorization: str, scheme: str) -> dict[str, str]:
    """The `Name=value` parts behind the scheme; empty when the header is malformed or of another scheme."""
    word, _, rest = authorization.partition(" ")
    return dict(_FIELDS.findall(rest)) if word == scheme else {}


def tc3(call: Call, secret_key: str, credential: str, signed: str) -> str:
    """Tencent API 3.0: the signature this call should carry; `credential` is id/date/service/tc3_request."""
    date, service = credential.split("/")[1:3]
    block = "".join(f"{name}:{call.header(name).strip().lower()}\n" for name in signed.split(";"))
    unsigned = call.header("x-tc-content-sha256") == "UNSIGNED-PAYLOAD"
    payload = b"UNSIGNED-PAYLOAD" if unsigned else call.body
    request = f"{call.method}\n{call.path}\n{_raw_query(call)}\n{block}\n{signed}\n{_sha256(payload)}"
    text = f"TC3-HMAC-SHA256\n{call.header('x-tc-timestamp')}\n{date}/{service}/tc3_request\n{_sha256(request.encode())}"
    key = b"TC3" + secret_key.encode()
    for word in (date, service, "tc3_request"):
        key = _hmac(key, word)
    return _hmac(key, text).hex()


def utc_date(timestamp: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(timestamp))


def sdk(call: Call, secret_key: str, signed: str) -> str:
    """Huawei AK/SK: the signature over the headers the call itself names."""
    block = "".join(f"{name}:{call.header(name).strip()}\n" for name in signed.split(";"))
    path = "/".join(_quoted(unquote(part)) for part in call.path.split("/"))
    path = path if path.endswith("/") else path + "/"
    body = call.header("x-sdk-content-sha256") or _sha256(call.body)
    request = "\n".join((call.method, path, _sorted_query(call), block, signed, body))
    return _hmac(secret_key.encode(), f"SDK-HMAC-SHA256\n{call.header('x-sdk-date')}\n{_sha256(request.encode())}").hex()


def acs3(call: Call, secret_key: str, signed: str) -> str:
    """Aliyun V3: like Huawei's, but the path is kept as it is and the text to sign has no time."""
    block = "".join(f"{name}:{call.header(name).strip()}\n" for name in signed.split(";"))
    request = "\n".join((call.method, call.path, _sorted_query(call), block, signed, call.header("x-acs-content-sha256")))
    return _hmac(secret_key.encode(), f"ACS3-HMAC-SHA256\n{_sha256(request.encode())}").hex()


def legacy_fields(sign: str) -> dict[str, str]:
    """What a multi-use signature says, by key, in whatever order; raises `ValueError` where it is none."""
    try:
        said = base64.b64decode(sign, validate=True)[20:].decode("ascii")
    except (binascii.Error, UnicodeError) as exc:
        raise ValueError("no signature") from exc
    pairs: Mapping[str, str] = dict(part.split("=", 1) for part in said.split("&"))
    return {**dict.fromkeys("abketrf", ""), **pairs}


def legacy_fits(sign: str, secret_key: str) -> bool:
    """Whether the first 20 bytes are the HMAC-SHA1 of the rest."""
    raw = base64.b64decode(sign)
    return hmac.compare_digest(raw[:20], hmac.new(secret_key.encode(), raw[20:], hashlib.sha1).digest())


def same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _quoted(text: str) -> str:
    return quote(text, safe="~")


def _sorted_query(call: Call) -> str:
    return "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in sorted(call.query))


def _raw_query(call: Call) -> str:
    return call.extra.get("raw query", "")
