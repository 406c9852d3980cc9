"""Baidu's token service: an API key and its secret buy a token for thirty days."""

from urllib.parse import parse_qsl

from tests.vendors.errors import Code
from tests.vendors.wire import Call, Refused, Reply, json_reply
from tests.vendors.world import Token, World

VENDOR = "baidu-token"
SHAPES: tuple[str, ...] = ()
_LIFE_S = 2_592_000


def answer(world: World, call: Call) -> Reply:
    """A token; raises `Refused`."""
    call.operation = "token"
    given = dict((*call.query, *parse_qsl(call.body.decode("ascii", "replace"))))
    if given.get("grant_type") != "client_credentials" or call.path != "/oauth/2.0/token":
        raise Refused("unsupported_grant_type")
    if given.get("client_id") != world.accounts.baidu_key:
        raise Refused("invalid_client/unknown")
    if given.get("client_secret") != world.accounts.baidu_secret:
        raise Refused("invalid_client")
    life = min(_LIFE_S, world.token_seconds * 30)
    text = world.issue_token("24.", Token(world.now() + life), 64)
    return json_reply(200, {"access_token": text, "expires_in": int(life), "refresh_token": "25.unused", "scope": "public brain_all_scope"})


def refuse(world: World, call: Call, code: Code, message: str) -> Reply:
    return json_reply(code.status, {"error": code.code, "error_description": message or code.message}, code=code.code)
