"""Alibaba Cloud OCR, RecognizeCarVinCode: the picture is the body, signed with ACS3-HMAC-SHA256."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from agent import config, config_accounts
from agent.bounds import Bounds
from agent.ocr.cloud import Body, Kind, Line, Refusal, Seen
from agent.ocr.faults import Action
from agent.ocr.http import Answer
from agent.ocr.tables.aliyun import ALIYUN

HOST = "https://ocr-api.cn-hangzhou.aliyuncs.com"
ACTION, VERSION = "RecognizeCarVinCode", "2021-07-07"


def authorization(access_key_id: str, access_key_secret: str, query: str, headers: Mapping[str, str]) -> str:
    """The Authorization header of a POST to `/`; `query` is escaped and sorted, `headers` are the ones to sign.

    Among them must be Host and every header that begins with x-acs-. Source: Alibaba Cloud's page on V3 requests and signatures.
    """
    kept = {name.lower(): value.strip() for name, value in headers.items()}
    names = ";".join(sorted(kept))
    lines = "".join(f"{name}:{kept[name]}\n" for name in sorted(kept))
    canonical = "\n".join(("POST", "/", query, lines, names, kept["x-acs-content-sha256"]))
    text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(access_key_secret.encode(), text.encode(), "sha256").hex()
    return f"ACS3-HMAC-SHA256 Credential={access_key_id},SignedHeaders={names},Signature={signature}"


class VinCode:
    """RecognizeCarVinCode: reads the VIN of a vehicle and tells how sure it is of it as a whole."""

    name = "aliyun"
    # Sides over 15 and under 8192 px, one less than 50 times the other, the file up to 10 MB.
    bounds = Bounds(
        min_side=16, max_side=8191, max_bytes=10_000_000, counted="raw", max_ratio=49.0,
        formats=("jpeg", "png", "bmp", "gif", "tiff", "webp"),
    )  # fmt: skip
    table = ALIYUN
    told: tuple[str, ...] = ()

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.Aliyun = config_accounts.require(settings.provider, self.name)
        self.url = self._keys.url.rstrip("/") or HOST
        keys = self._keys.access_key_id, self._keys.access_key_secret, self._keys.security_token
        self.secrets = tuple(key.reveal() for key in keys)
        self.price, self.per_s = self._keys.price, self._keys.per_s

    def body(self, jpeg: bytes) -> Body:
        return Body(jpeg, "application/octet-stream")

    def request(self, body: Body, line: Line) -> httpx.Request:
        request = httpx.Request("POST", f"{self.url}/", content=body.content, headers={"Content-Type": body.content_type})
        token = self._keys.security_token.reveal()
        headers = {
            "Host": request.headers["Host"],
            "Content-Type": body.content_type,
            "x-acs-action": ACTION,
            "x-acs-version": VERSION,
            "x-acs-date": f"{datetime.fromtimestamp(line.clock.now(), UTC):%Y-%m-%dT%H:%M:%SZ}",
            "x-acs-signature-nonce": secrets.token_hex(16),  # once used, a number is refused
            "x-acs-content-sha256": hashlib.sha256(body.content).hexdigest(),
            **({"x-acs-security-token": token} if token else {}),
        }
        key_id, key_secret = self._keys.access_key_id.reveal(), self._keys.access_key_secret.reveal()
        request.headers.update({**headers, "Authorization": authorization(key_id, key_secret, "", headers)})
        return request

    def parse(self, answer: Answer) -> Seen | Refusal:
        return parse(answer)

    def mend(self, action: Action, status: int) -> str:
        """Every request is signed with a number of its own: the next one is a new one."""
        return "nonce" if action is Action.RENEW else ""

    def check(self, line: Line) -> tuple[str, ...]:
        return ()


def parse(answer: Answer) -> Seen | Refusal:
    """The VIN in `Data`, a text that holds JSON; errors carry `Code` with an HTTP status of 4xx or 5xx, success none or 200."""
    said = answer.fields()
    code = str(said.get("Code") or "")
    if answer.status != 200 or code not in ("", "200"):
        return Refusal(code, str(said.get("Message") or ""))
    if not {"Data", "RequestId"} & said.keys():
        return Refusal("", "the answer has no Data")
    try:
        data = _object(said.get("Data"))
    except (ValueError, RecursionError):
        return Refusal("", "Data holds no JSON")
    value, confidence = _vin(data)
    return Seen(value, confidence, str(said.get("RequestId") or "") or None)


def _object(data: object) -> Mapping[str, Any]:
    """`Data` as an object, also where it came as one already."""
    found = json.loads(_whole(data)) if isinstance(data, str) and data.strip() else data
    return found if isinstance(found, dict) else {}


def _whole(text: str) -> str:
    """Half of a surrogate pair is `?`: beside the other half, escaped in the inner JSON, it would be another text once it was kept."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _vin(data: Mapping[str, Any]) -> tuple[str, tuple[float, ...] | None]:
    """The text and its probability for each character; the page shows it under `data` and, with 0…100, in a list beside it."""
    pairs = data.get("prism_keyValueInfo")
    for pair in pairs if isinstance(pairs, list) else ():
        if isinstance(pair, dict) and "vin" in str(pair.get("key", "")).lower() and isinstance(pair.get("value"), str):
            text, sure = pair["value"].strip(), pair.get("valueProb")
            share = float(sure) / 100 if isinstance(sure, int | float) and 0 <= sure <= 100 else None
            if text:
                return text, None if share is None else (share,) * len(text)
    inner = data.get("data")
    named = [value for name, value in inner.items() if "vin" in name.lower()] if isinstance(inner, dict) else []
    return next((value.strip() for value in named if isinstance(value, str)), ""), None


Aliyun = Kind(VinCode)
