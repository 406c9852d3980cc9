"""How a request proves whose it is: the signatures of the vendors, from values alone; time is an argument."""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import quote


def tc3_authorization(secret_id: str, secret_key: str, service: str, headers: Mapping[str, str], body: bytes, timestamp: int) -> str:
    """The Authorization header of Tencent Cloud API 3.0 (TC3-HMAC-SHA256) for a POST to `/` without a query.

    `headers` are the ones to sign, at least Content-Type and Host, with the values that are sent; `timestamp` is the
    X-TC-Timestamp in Unix seconds. Source: Tencent's signature v3 page.
    """
    kept = {name.lower(): value.strip().lower() for name, value in headers.items()}
    names, canonical = _canonical("POST", "/", "", kept, body)
    # The day is the one in Greenwich: Beijing's would be refused from midnight to eight in the morning there.
    date = f"{datetime.fromtimestamp(timestamp, UTC):%Y-%m-%d}"
    scope = f"{date}/{service}/tc3_request"
    key = f"TC3{secret_key}".encode()
    for part in (date, service, "tc3_request"):
        key = _hmac_sha256(key, part)
    signature = _hmac_sha256(key, f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{_sha256(canonical)}").hex()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={names}, Signature={signature}"


def sdk_authorization(
    access_key: str,
    secret_key: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query: Iterable[tuple[str, str]] = (),
) -> str:
    """The Authorization header of Huawei Cloud (SDK-HMAC-SHA256).

    `path` and `query` are not percent-encoded; `headers` are the ones to sign, at least Host and X-Sdk-Date
    (YYYYMMDDTHHMMSSZ, UTC), with the values that are sent. Source: Huawei's API signing guide.
    """
    kept = {name.lower(): value.strip() for name, value in headers.items()}
    pairs = "&".join(f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(query))
    uri = quote(path, safe="/~")
    # Only the signed text ends in a slash; the request keeps its path.
    names, canonical = _canonical(method.upper(), uri if uri.endswith("/") else f"{uri}/", pairs, kept, body)
    to_sign = f"SDK-HMAC-SHA256\n{kept['x-sdk-date']}\n{_sha256(canonical)}"
    signature = _hmac_sha256(secret_key.encode(), to_sign).hex()
    return f"SDK-HMAC-SHA256 Access={access_key}, SignedHeaders={names}, Signature={signature}"


def legacy_authorization(appid: str, secret_id: str, secret_key: str, bucket: str, now: int, expires: int, rand: int) -> str:
    """The Authorization header of Tencent's legacy image service, good for many calls until `expires`.

    `now` and `expires` are Unix seconds, at most 90 days apart; `rand` has at most ten digits; `bucket` may be empty.
    Source: Tencent's page on signatures of the image services.
    """
    return legacy_sealed(f"a={appid}&b={bucket}&k={secret_id}&e={expires}&t={now}&r={rand}&f=", secret_key)


def legacy_sealed(text: str, secret_key: str) -> str:
    """Any text under the legacy seal: base64 of its 20 bytes of HMAC-SHA1 and the text behind them."""
    return base64.b64encode(hmac.digest(secret_key.encode(), text.encode(), "sha1") + text.encode()).decode("ascii")


def _canonical(method: str, uri: str, query: str, headers: Mapping[str, str], body: bytes) -> tuple[str, str]:
    """The names of the signed headers, and the request in the one form both sides compute; names are lower case already."""
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    return names, "\n".join((method, uri, query, lines, names, hashlib.sha256(body).hexdigest()))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hmac_sha256(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
