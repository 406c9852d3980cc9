"""Baidu AI Cloud, vin_code: a token for a month bought with the application's keys, the picture as a form; errors have status 200."""

import base64
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx

from agent import config, config_accounts
from agent.bounds import Bounds
from agent.ocr.cloud import Body, Kind, Line, Refusal, Seen
from agent.ocr.faults import Action
from agent.ocr.http import Answer
from agent.ocr.tables.baidu import BAIDU

HOST = "https://aip.baidubce.com"
RENEW_S = 86_400  # a token lives for thirty days; one that has a day left is renewed
_YEAR_S = 366 * 86_400
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Token:
    """What goes into the address of a call, and for how many seconds it is good."""

    value: str
    life_s: float


class VinCode:
    """vin_code: reads the VIN behind the windscreen or on a plate, and tells no confidence."""

    name = "baidu"
    # 4 MB by the page of 2021, 8 by today's with the advice to stay below 4, counted after base64 and after escaping.
    bounds = Bounds(max_bytes=4_000_000, counted="urlencoded", formats=("jpeg", "png", "bmp"))
    table = BAIDU
    told: tuple[str, ...] = ()

    def __init__(self, settings: config.Settings) -> None:
        self._keys: config.Baidu = config_accounts.require(settings.provider, self.name)
        self.url = self._keys.url.rstrip("/") or HOST
        self.secrets = self._keys.api_key.reveal(), self._keys.secret_key.reveal()
        self.price, self.per_s = self._keys.price, self._keys.per_s
        self._token, self._renew_at = "", 0.0

    def body(self, jpeg: bytes) -> Body:
        return Body(urlencode({"image": base64.b64encode(jpeg)}).encode(), FORM)

    def request(self, body: Body, line: Line) -> httpx.Request:
        url = f"{self.url}/rest/2.0/ocr/v1/vin_code?" + urlencode({"access_token": self._current(line)})
        return httpx.Request("POST", url, content=body.content, headers={"Content-Type": body.content_type})

    def parse(self, answer: Answer) -> Seen | Refusal:
        return parse(answer)

    def mend(self, action: Action, status: int) -> str:
        if action is not Action.RENEW:
            return ""
        self._token = ""
        return "token"

    def check(self, line: Line) -> tuple[str, ...]:
        self._current(line)
        return ("the application's keys gave an access token",)

    def _current(self, line: Line) -> str:
        if not self._token or line.clock.now() >= self._renew_at:
            token, _ = line.ask(self._login, parse_token, BAIDU)
            self._token, self._renew_at = token.value, line.clock.now() + max(token.life_s - RENEW_S, token.life_s / 2)
        return self._token

    def _login(self) -> httpx.Request:
        keys = {"client_id": self._keys.api_key.reveal(), "client_secret": self._keys.secret_key.reveal()}
        return httpx.Request("POST", f"{self.url}/oauth/2.0/token?" + urlencode({"grant_type": "client_credentials", **keys}))


def parse(answer: Answer) -> Seen | Refusal:
    """The first text that was read; `log_id` is a number of 64 bits."""
    said = answer.fields()
    if "error_code" in said:
        return Refusal(str(said["error_code"]), str(said.get("error_msg") or ""))
    if answer.status != 200 or not {"words_result", "words_result_num"} & said.keys():
        return Refusal("", "the answer has no words_result")
    found = said.get("words_result")
    words = [each.get("words") for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    text = next((word.strip() for word in words if isinstance(word, str) and word.strip()), "")
    return Seen(text, request_id=str(said.get("log_id") or "") or None)


def parse_token(answer: Answer) -> Token | Refusal:
    said = answer.fields()
    if "error" in said:
        return Refusal(str(said["error"]), str(said.get("error_description") or ""))
    value, life_s = said.get("access_token"), said.get("expires_in")
    if answer.status == 200 and isinstance(value, str) and isinstance(life_s, int | float):
        # Within a year, whatever it says: JSON has numbers that no float and no clock can hold, and NaN is no time at all.
        return Token(value, float(min(life_s, _YEAR_S)) if life_s > 0 else 0.0)
    return Refusal("", "the login was answered without a token")


Baidu = Kind(VinCode)
