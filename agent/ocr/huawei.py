"""Huawei Cloud OCR: RecognizeVIN, and vehicle-license for the licence, signed with AK/SK or with a token that a password buys."""

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import httpx

from agent import config, config_accounts
from agent.bounds import Bounds
from agent.document import vehicle_licence
from agent.ocr.cloud import Body, Kind, Line, Refusal, Seen
from agent.ocr.faults import Action
from agent.ocr.http import Answer
from agent.ocr.huawei_token import Tokens, refusal
from agent.ocr.sign import sdk_authorization
from agent.ocr.tables.huawei import HUAWEI

_DATE = "%Y%m%dT%H%M%SZ"
_EXPIRED = re.compile(r"server time:\s*(\d{8}T\d{6}Z)")


class Account:
    """One project of Huawei Cloud, and how its calls are signed."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self.url = keys.url.rstrip("/") or f"https://ocr.{keys.region}.myhuaweicloud.com"
        self.secrets = tuple(each.reveal() for each in (keys.access_key, keys.secret_key, keys.security_token, keys.password))
        self._tokens = Tokens(keys) if keys.auth == "token" else None

    def request(self, service: str, body: Body, line: Line) -> httpx.Request:
        path = f"/v2/{self._keys.project_id}/ocr/{service}"
        request = httpx.Request("POST", self.url + path, content=body.content, headers={"Content-Type": body.content_type})
        if self._keys.enterprise_project_id:
            request.headers["Enterprise-Project-Id"] = self._keys.enterprise_project_id
        if self._tokens:
            request.headers["X-Auth-Token"] = self._tokens.current(line)
        else:
            request.headers.update(self._signature(request, path, body, line.clock.now()))
        return request

    def _signature(self, request: httpx.Request, path: str, body: Body, now: int) -> dict[str, str]:
        """The headers that are signed and the signature; some accounts are refused without the project among them."""
        token = self._keys.security_token.reveal()
        headers = {
            "Content-Type": body.content_type,
            "Host": request.headers["Host"],
            "X-Project-Id": self._keys.project_id,
            "X-Sdk-Date": f"{datetime.fromtimestamp(now, UTC):{_DATE}}",
            **({"X-Security-Token": token} if token else {}),
        }
        access_key, secret_key = self._keys.access_key.reveal(), self._keys.secret_key.reveal()
        return {**headers, "Authorization": sdk_authorization(access_key, secret_key, "POST", path, headers, body.content)}

    def mend(self, action: Action, status: int) -> str:
        """A token may die long before its time, after a change of password or rights; any 401 is worth one new one."""
        if self._tokens is None or (action is not Action.RENEW and status != 401):
            return ""
        self._tokens.forget()
        return "token"

    def check(self, line: Line) -> tuple[str, ...]:
        if self._tokens is None:
            return ()
        self._tokens.current(line)
        return (f"the login of {self._keys.user} gave a token for region {self._keys.region}",)


def image_body(jpeg: bytes, **more: str) -> Body:
    """The picture alone, without the prefix of a data address; with an address beside it the vendor refuses both."""
    return Body(json.dumps({"image": base64.b64encode(jpeg).decode("ascii"), **more}, separators=(",", ":")).encode())


def result(answer: Answer) -> Mapping[str, Any] | Refusal:
    """What stands in `result`, empty where it is missing; or the error, with the vendor's time where its text names it."""
    said = refusal(answer)
    if said is None:
        found = answer.fields().get("result")
        return found if isinstance(found, dict) else {}
    if not said.code and answer.status == 401:
        # Some gateways on the way keep the text and lose the code; what to do stands in the text.
        said = Refusal("APIG.0301", said.message)
    return Refusal(said.code, said.message, _time_in(said.message))


def _time_in(message: str) -> str:
    """The vendor's time as an HTTP date; empty where the text names none, or one that no calendar has."""
    try:
        found = _EXPIRED.search(message)
        return format_datetime(datetime.strptime(found[1], _DATE).replace(tzinfo=UTC), usegmt=True) if found else ""
    except ValueError:
        return ""


def text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def request_id(answer: Answer) -> str | None:
    return answer.headers.get("x-request-id") or text(answer.fields().get("request_id")) or None


class Vin:
    """RecognizeVIN: every answer with a status of 2xx is billed, one without a VIN too."""

    name = "huawei"
    # 10 MB of base64 by the vendor's page; it advises files below 7 MB, which stay below that in base64.
    bounds = Bounds(min_side=15, max_side=4096, max_bytes=7_000_000, counted="raw", formats=("jpeg", "png", "bmp", "tiff"))
    table = HUAWEI
    told: tuple[str, ...] = ()

    def __init__(self, settings: config.Settings) -> None:
        keys: config.Huawei = config_accounts.require(settings.provider, self.name)
        self._account = Account(keys)
        self.url, self.secrets, self.price, self.per_s = self._account.url, self._account.secrets, keys.price, keys.per_s
        self.mend, self.check = self._account.mend, self._account.check

    def body(self, jpeg: bytes) -> Body:
        return image_body(jpeg)

    def request(self, body: Body, line: Line) -> httpx.Request:
        return self._account.request("vin", body, line)

    def parse(self, answer: Answer) -> Seen | Refusal:
        said = result(answer)
        return said if isinstance(said, Refusal) else Seen(text(said.get("vin")), request_id=request_id(answer), charged=True)


_FIELDS = {
    "number": "plate_number", "vehicle_type": "vehicle_type", "name": "owner", "address": "address", "use_character": "use",
    "model": "model", "engine_no": "engine_number", "vin": "vin", "register_date": "registered", "issue_date": "issued",
    "issuing_authority": "authority", "file_no": "file_number", "approved_passengers": "seats", "gross_mass": "gross_mass",
    "unladen_mass": "curb_mass", "approved_load": "load", "dimension": "dimensions", "traction_mass": "traction_mass",
    "remarks": "remarks", "inspection_record": "inspection", "code_number": "page_code", "energy_type": "fuel", "color": "colour",
    "mandatory_scrapping_date": "scrapped_by", "status": "status", "type": "kind",
}  # fmt: skip
_BESIDE = ("front", "back", "text_location", "alarm_result", "alarm_confidence")


class VehicleLicense:
    """vehicle-license: the fields of one page, or of `front` and `back` where both were asked for."""

    name = "huawei-vehicle-licence"
    bounds = Bounds(min_side=100, max_side=8192, max_bytes=7_000_000, counted="raw", formats=("jpeg", "png", "bmp", "tiff"))
    table = HUAWEI

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.HuaweiVehicleLicence = config_accounts.require(settings.provider, self.name)
        self._account = Account(self._keys)
        self.url, self.secrets, self.told = self._account.url, self._account.secrets, self._keys.fields
        self.price, self.per_s = self._keys.price, self._keys.per_s
        self.mend, self.check = self._account.mend, self._account.check

    def body(self, jpeg: bytes) -> Body:
        return image_body(jpeg, side=self._keys.side)

    def request(self, body: Body, line: Line) -> httpx.Request:
        return self._account.request("vehicle-license", body, line)

    def parse(self, answer: Answer) -> Seen | Refusal:
        said = result(answer)
        if isinstance(said, Refusal):
            return said
        pages = [page for page in (said, said.get("front"), said.get("back")) if isinstance(page, dict)]
        read = [(name, _joined(value), None) for page in pages for name, value in page.items() if name not in _BESIDE]
        licence = vehicle_licence(read, _FIELDS)
        return Seen(licence.vin or "", request_id=request_id(answer), document=licence, charged=True)


def _joined(value: object) -> str:
    """A text; several, as an electronic licence's `status` has them, in one."""
    return ", ".join(map(text, value)) if isinstance(value, list) else text(value)


Huawei = Kind(Vin)
HuaweiVehicleLicence = Kind(VehicleLicense)
