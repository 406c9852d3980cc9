"""Huawei's tokens: a password buys one for a day; it is kept, renewed before it ends, and bought anew when it is refused."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from agent.ocr.cloud import JSON, Body, Line, Refusal
from agent.ocr.http import Answer
from agent.ocr.tables.huawei import HUAWEI

RENEW_S = 3600  # before its end a token is renewed, so that none ends between two vehicles


@dataclass(frozen=True, slots=True)
class Token:
    """What goes into X-Auth-Token, and when it ends in Unix seconds of the vendor."""

    value: str
    expires: float


class Tokens:
    """The one token of an account."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self._url = keys.iam_url.rstrip("/") or f"https://iam.{keys.region}.myhuaweicloud.com"
        self._token: Token | None = None

    def current(self, line: Line) -> str:
        """A token with an hour or more to live; raises what a refused login means, which is never tried twice."""
        if self._token is None or self._token.expires - line.clock.now() < RENEW_S:
            fresh, _ = line.ask(self._login, parse, HUAWEI)
            self._token = fresh
        return self._token.value

    def forget(self) -> None:
        self._token = None

    def _login(self) -> httpx.Request:
        # Without the catalog: it is of no use here and fills kilobytes.
        url = f"{self._url}/v3/auth/tokens?nocatalog=true"
        body = login(self._keys.domain, self._keys.user, self._keys.password.reveal(), self._keys.project_id)
        return httpx.Request("POST", url, content=body.content, headers={"Content-Type": body.content_type})


def login(domain: str, user: str, password: str, project_id: str) -> Body:
    """The token is asked for one project: without one the reading would refuse it."""
    who = {"name": user, "password": password, "domain": {"name": domain}}
    identity = {"methods": ["password"], "password": {"user": who}}
    return Body(json.dumps({"auth": {"identity": identity, "scope": {"project": {"id": project_id}}}}).encode(), f"{JSON};charset=utf8")


def parse(answer: Answer) -> Token | Refusal:
    """The token stands in a header, its end in the body (UTC); an end nobody can read is taken for a day from now."""
    said = refusal(answer)
    if said is not None:
        return said
    value = answer.headers.get("x-subject-token", "")
    expires = _expires(answer.fields().get("token"))
    if not value or expires is None:
        return Refusal("", "the login was answered without a token and its end")
    return Token(value, expires)


def _expires(token: object) -> float | None:
    """`2026-01-02T03:04:05.678901Z` as Unix seconds."""
    said = token.get("expires_at") if isinstance(token, dict) else None
    try:
        when = datetime.fromisoformat(str(said).replace("Z", "+00:00"))
    except ValueError:
        return None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


_CODES, _TEXTS = ("error_code", "errorCode", "code"), ("error_msg", "errorMsg", "message")


def refusal(answer: Answer) -> Refusal | None:
    """The error in an answer, by any of the names the services use, also one level deeper; None where it is no error."""
    said = answer.fields()
    for part in (said, *(value for value in said.values() if isinstance(value, dict))):
        code = next((str(part[name]) for name in _CODES if part.get(name)), "")
        text = next((str(part[name]) for name in _TEXTS if part.get(name)), "")
        if code and (answer.status >= 300 or "result" not in said):
            return Refusal("" if code.isdigit() else code, text)
    if answer.status < 300 and (said or b"".join(answer.body.split()) == b"{}"):
        return None
    return Refusal("", answer.body[:500].decode("utf-8", "replace"))
