"""Tencent's older image service: vin_detection, and drivinglicence in both versions of its page; one signature serves for an hour."""

import base64
import hashlib
import json
import random
from typing import Any

import httpx

from agent import config, config_accounts
from agent.bounds import Bounds
from agent.ocr.cloud import Body, Kind, Line, Refusal, Seen
from agent.ocr.faults import Action
from agent.ocr.http import Answer
from agent.ocr.legacy_answer import document_of, vin_of
from agent.ocr.sign import legacy_authorization
from agent.ocr.tables.legacy import LEGACY

HOST = "https://recognition.image.myqcloud.com"
# Long enough for a clock that is 59 minutes slow; renewed at half its life, so that none ends on the way.
LIFE_S = 3600
# 6 MB for the whole body by every page, read as the smaller of the two megabytes; the rest of a body stays below a kilobyte.
_BODY, _AROUND = 6_000_000, 1_000


class Account:
    """Whose calls they are, and the signature that is good for many of them."""

    def __init__(self, keys: Any) -> None:
        self._keys, self._signature, self._renew_at = keys, "", 0
        self.url = keys.url.rstrip("/") or HOST
        self.secrets = keys.secret_id.reveal(), keys.secret_key.reveal()

    def request(self, path: str, body: Body, line: Line) -> httpx.Request:
        headers = {"Authorization": self._current(line.clock.now()), "Content-Type": body.content_type}
        return httpx.Request("POST", self.url + path, content=body.content, headers=headers)

    def _current(self, now: int) -> str:
        # A clock that was set back makes a signature of the future: that is signed anew as well.
        if not self._renew_at - LIFE_S // 2 <= now < self._renew_at:
            keys, rand = self._keys, random.randrange(1, 10**10)  # noqa: S311  # it only tells signatures apart
            secret_id, secret_key = keys.secret_id.reveal(), keys.secret_key.reveal()
            self._signature = legacy_authorization(keys.appid, secret_id, secret_key, keys.bucket, now, now + LIFE_S, rand)
            self._renew_at = now + LIFE_S // 2
        return self._signature

    def mend(self, action: Action, status: int) -> str:
        """A signature that is over or was taken for a repeated one is made anew."""
        if action not in (Action.CLOCK, Action.RENEW):
            return ""
        self._renew_at = 0
        return "signature"


def as_json(jpeg: bytes, **fields: str | int) -> Body:
    """The picture as base64 under `image`, the name every page gives it; `appid` is what all of them but one example say."""
    return Body(json.dumps({**fields, "image": base64.b64encode(jpeg).decode("ascii")}, separators=(",", ":")).encode())


def as_form(jpeg: bytes, **fields: str | int) -> Body:
    """The picture as it is, in a part of its own behind those of the fields (RFC 7578)."""
    # No picture holds a text made of its own digest.
    boundary = f"vin-agent-{hashlib.sha256(jpeg).hexdigest()[:24]}"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="image"; filename="vin.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    content = "".join(parts).encode() + head.encode() + jpeg + f"\r\n--{boundary}--\r\n".encode()
    return Body(content, f"multipart/form-data; boundary={boundary}")


class VinDetection:
    """vin_detection: takes JSON alone, and a bucket only in the signature."""

    name = "tencent-legacy-vin"
    bounds = Bounds(max_bytes=_BODY, counted="body", around=_AROUND)
    table = LEGACY
    told: tuple[str, ...] = ()

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.TencentLegacyVin = config_accounts.require(settings.provider, self.name)
        self._account = Account(self._keys)
        self.url, self.secrets, self.mend = self._account.url, self._account.secrets, self._account.mend
        self.price, self.per_s = self._keys.price, self._keys.per_s

    def body(self, jpeg: bytes) -> Body:
        return as_json(jpeg, appid=self._keys.appid)

    def request(self, body: Body, line: Line) -> httpx.Request:
        return self._account.request("/ocr/vin_detection", body, line)

    def parse(self, answer: Answer) -> Seen | Refusal:
        return vin_of(answer)

    def check(self, line: Line) -> tuple[str, ...]:
        return ()


class DrivingLicence:
    """drivinglicence: a vehicle licence (type 0), a driving licence (1) or the second page of a vehicle licence (2).

    The older page demands a bucket, in the body and in the signature, and takes pictures as multipart alone; the newer one has none.
    """

    name = "tencent-legacy-licence"
    bounds = Bounds(max_bytes=_BODY, counted="body", around=_AROUND)
    table = LEGACY

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.TencentLegacyLicence = config_accounts.require(settings.provider, self.name)
        self._account = Account(self._keys)
        self.url, self.secrets, self.mend = self._account.url, self._account.secrets, self._account.mend
        self.price, self.per_s, self.told = self._keys.price, self._keys.per_s, self._keys.fields
        if self._keys.form == "multipart":
            self.bounds = Bounds(max_bytes=_BODY, counted="multipart", around=_AROUND)

    def body(self, jpeg: bytes) -> Body:
        bucket = {"bucket": self._keys.bucket} if self._keys.bucket else {}
        make = as_json if self._keys.form == "json" else as_form
        return make(jpeg, appid=self._keys.appid, **bucket, type=self._keys.type)

    def request(self, body: Body, line: Line) -> httpx.Request:
        return self._account.request("/ocr/drivinglicence", body, line)

    def parse(self, answer: Answer) -> Seen | Refusal:
        return document_of(answer, self._keys.type)

    def check(self, line: Line) -> tuple[str, ...]:
        return ()


TencentLegacyVin = Kind(VinDetection)
TencentLegacyLicence = Kind(DrivingLicence)
