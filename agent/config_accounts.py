"""What has to stand in a provider's section before it can be asked: shapes of keys, regions, and the account it shares."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, NamedTuple, TypeVar

from agent.config_providers import PROJECT, Providers
from agent.document import FIELDS
from agent.errors import BadConfig
from agent.settings import Secret

T = TypeVar("T")


def inherited(section: T, base: object) -> T:
    """The section with each empty key taken from `base`, where that has a key of the same name."""
    empty = [each.name for each in fields(section) if not _said(getattr(section, each.name))]  # type: ignore[arg-type]  # T is a section
    return replace(section, **{name: getattr(base, name) for name in empty if hasattr(base, name)})  # type: ignore[type-var]


def _said(value: object) -> bool:
    return bool(value.reveal()) if isinstance(value, Secret) else value not in ("", ())


class Problem(NamedTuple):
    """A key that keeps a provider from being asked, and what it has to be."""

    key: str
    expected: str


# Every name that may stand in reading.chain.
READERS = (*(each.name.replace("_", "-") for each in fields(Providers)), "embedded")
# A reader of documents shares the account of the section beside it.
_BASES = {
    "tencent_vehicle_licence": "tencent",
    "huawei_vehicle_licence": "huawei",
    "tencent_legacy_licence": "tencent_legacy_vin",
}
# Where Huawei has deployed each service (endpoint pages of 2021 and today); a private endpoint is named with `url`.
_REGIONS = {"huawei": ("cn-north-4",), "huawei_vehicle_licence": ("cn-north-4", "cn-east-3")}


def section_name(provider: str) -> str:
    return provider.replace("-", "_")


def section(providers: Providers, provider: str) -> Any:
    """The settings of a provider by its name in the chain, empty keys filled from the account it shares."""
    name = section_name(provider)
    own = getattr(providers, name)
    return inherited(own, getattr(providers, _BASES[name])) if name in _BASES else own


def problems(providers: Providers, provider: str) -> list[Problem]:
    """What is missing or cannot be right for one provider of the chain, the first thing to mend first; a name without section has none."""
    name = section_name(provider)
    if name not in _CHECKS:
        return []
    return list(_CHECKS[name](section(providers, provider), name))


def require(providers: Providers, provider: str) -> Any:
    """The section of a provider that can be asked; raises `BadConfig` naming the first key that is in the way."""
    for key, expected in problems(providers, provider):
        name = f"provider.{section_name(provider)}.{key}"
        raise BadConfig(f"{name} must be {expected}; set it in the configuration, as {variable(provider, key)} or as a credential {name}")
    return section(providers, provider)


def variable(provider: str, key: str) -> str:
    """The name of a key in the environment."""
    return f"VIN_AGENT_PROVIDER_{section_name(provider)}_{key}".upper()


def secret_paths() -> Iterator[tuple[str, ...]]:
    """Where every secret of a provider stands: ("provider", section, key)."""
    for each in fields(Providers):
        for key in fields(type(getattr(Providers(), each.name))):
            if key.type is Secret:
                yield "provider", each.name, key.name


def _tencent(keys: Any, name: str) -> Iterator[Problem]:
    if not re.fullmatch(r"AKID[A-Za-z0-9_*-]+", keys.secret_id.reveal()):
        yield Problem("secret_id", _ID_WORDS)
    yield from _missing(keys, {"secret_key": "the SecretKey that belongs to secret_id"})
    yield from _blanks(keys, "secret_key", "token")
    yield from _fields(keys)


def _legacy(keys: Any, name: str) -> Iterator[Problem]:
    yield from _missing(keys, {"appid": "the digits of the account's APPID"})
    yield from _tencent(keys, name)
    if keys.bucket and getattr(keys, "form", "") == "json":
        yield Problem("form", '"multipart" where bucket is set: the service takes no picture in JSON together with a bucket')


def _huawei(keys: Any, name: str) -> Iterator[Problem]:
    if not re.fullmatch(PROJECT, keys.project_id):
        yield Problem("project_id", f"the 32 characters of the project of region {keys.region}, from the console's page of API credentials")
    if keys.region not in _REGIONS[name] and not keys.url:
        yield Problem("region", f"{' or '.join(_REGIONS[name])}, where this service is deployed (or url, for a private endpoint)")
    if keys.auth == "token":
        words = {"user": "the IAM user's name", "password": "the IAM user's password", "domain": "the account's name"}
    else:
        words = {"access_key": "the access key (AK)", "secret_key": "the secret key (SK) that belongs to access_key"}
    yield from _missing(keys, words)
    yield from _blanks(keys, "access_key", "secret_key", "security_token")
    if keys.access_key.reveal().startswith(("AKID", "LTAI")):
        yield Problem("access_key", "a key of Huawei Cloud: one that starts with AKID or LTAI belongs to another cloud")
    yield from _fields(keys)


def _baidu(keys: Any, name: str) -> Iterator[Problem]:
    yield from _missing(keys, {"api_key": "the application's API Key", "secret_key": "the application's Secret Key"})
    yield from _blanks(keys, "api_key", "secret_key")


def _aliyun(keys: Any, name: str) -> Iterator[Problem]:
    words = "an AccessKey ID of Alibaba Cloud, which starts with LTAI (or STS. together with security_token)"
    if not keys.access_key_id.reveal().startswith(("LTAI", "STS.")):
        yield Problem("access_key_id", words)
    yield from _missing(keys, {"access_key_secret": "the secret that belongs to access_key_id"})
    yield from _blanks(keys, "access_key_id", "access_key_secret", "security_token")


_ID_WORDS = "a SecretId of Tencent Cloud, which starts with AKID"
_CHECKS: dict[str, Callable[[Any, str], Iterator[Problem]]] = {
    "tencent": _tencent,
    "tencent_vehicle_licence": _tencent,
    "huawei": _huawei,
    "huawei_vehicle_licence": _huawei,
    "tencent_legacy_vin": _legacy,
    "tencent_legacy_licence": _legacy,
    "baidu": _baidu,
    "aliyun": _aliyun,
}


def _missing(keys: Any, words: Mapping[str, str]) -> Iterator[Problem]:
    yield from (Problem(key, expected) for key, expected in words.items() if not _said(getattr(keys, key)))


def _blanks(keys: Any, *names: str) -> Iterator[Problem]:
    """A line break or blank that was copied with a key makes every signature wrong; what is not ASCII cannot stand in a header."""
    for name in names:
        if re.search(r"[^!-~]", getattr(keys, name, Secret("")).reveal()):
            yield Problem(name, "a key without blanks or line breaks in it")


def _fields(keys: Any) -> Iterator[Problem]:
    unknown = [name for name in getattr(keys, "fields", ()) if name not in FIELDS]
    if unknown:
        yield Problem("fields", f"a list of fields of a licence, not {unknown[0]!r}; known: {', '.join(FIELDS)}")
