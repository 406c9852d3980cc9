"""Huawei's token service: a password buys a token for a project; wrong ones lock the account."""

import time
from typing import Any

from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, json_object, json_reply
from tests.vendors.world import Token, World

VENDOR = "huawei-iam"
SHAPES = ("keystone",)
LOCK_AFTER, LOCK_S = 4, 900


def answer(world: World, call: Call) -> Reply:
    """A token in X-Subject-Token, with HTTP 201; raises `Refused`."""
    call.operation = "tokens"
    if call.path != "/v3/auth/tokens" or call.method != "POST":
        raise Refused("IAM.0004")
    auth = _part(json_object(call.body, "IAM.0011"), "auth")
    user = _part(_part(_part(auth, "identity"), "password"), "user")
    _check_user(world, user)
    project = _project(world, auth.get("scope"))
    now = world.now()
    token = Token(now + world.token_seconds, *project)
    text = world.issue_token("MII", token, world.token_length)
    content: dict[str, Any] = {
        "expires_at": _stamp(token.expires),
        "issued_at": _stamp(now),
        "methods": ["password"],
        "roles": [],
        "user": _shown(user),
    }
    if token.project_id:
        content["project"] = {"id": token.project_id, "name": token.project, "domain": user["domain"]}
    if ("nocatalog", "true") not in call.query:
        content["catalog"] = [{"type": "ocr", "name": "ocr", "endpoints": []}]
    trace = {"X-Subject-Token": text, "X-IAM-Trace-Id": world.request_id()}
    return json_reply(201, {"token": content}, content_type="application/json;charset=utf8", headers=trace)


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    text = message or code.message
    content: dict[str, Any] = {"error_code": code.code, "error_msg": text}
    if world.shaped(VENDOR, "keystone"):
        content = {"error": {"code": code.status, "message": text, "title": "Unauthorized" if code.status == 401 else "Error"}}
    return json_reply(code.status, content, code=code.code, headers={"X-IAM-Trace-Id": world.request_id()})


def _shown(user: dict[str, Any]) -> dict[str, Any]:
    return {"name": user["name"], "id": "3f2a", "password_expires_at": "", "domain": user["domain"]}


def _part(content: Any, key: str) -> dict[str, Any]:
    part = content.get(key) if isinstance(content, dict) else None
    if not isinstance(part, dict):
        raise Refused("IAM.0011")
    return part


def _check_user(world: World, user: dict[str, Any]) -> None:
    accounts, who = world.accounts, f"user {user.get('name')}"
    if world.locked(who, LOCK_AFTER, LOCK_S):
        raise Refused("IAM.0061")
    given = (_part(user, "domain").get("name"), user.get("name"), user.get("password"))
    if given != (accounts.huawei_account, accounts.huawei_user, accounts.huawei_password):
        world.failed(who)
        raise Refused("IAM.0062")
    world.succeeded(who)


def _project(world: World, scope: Any) -> tuple[str, str]:
    """Id and name; both empty for a token without a project."""
    if not isinstance(scope, dict) or "project" not in scope:
        return "", ""
    accounts, project = world.accounts, _part(scope, "project")
    known = {accounts.huawei_project_id: accounts.huawei_project, "f" * 32: "cn-east-3"}
    for number, name in known.items():
        if project.get("id") == number or project.get("name") == name:
            return number, name
    raise Refused("IAM.1109")


def _stamp(unix_s: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_s)) + f".{int(unix_s % 1 * 1e6):06d}Z"
