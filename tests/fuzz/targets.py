"""Every place where bytes from outside are taken apart, by name: a function of those bytes, how many inputs it gets, and where they begin.

A new parser gets one line here, and some small files in `corpus/<name>`: the tests and `make fuzz` then try it. A target raises where
the agent would crash or say something it must not say; what the agent refuses in its own words it takes for right.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tests.fuzz import cameras, machine, pictures, settings, store, vendors, words, yard
from tests.fuzz.mutate import Mutate, as_bytes, as_json, as_toml

CORPUS = Path(__file__).parent / "corpus"
FIXTURES = Path(__file__).parent.parent / "fixtures"
SHIPPED = Path(__file__).parent.parent.parent / "config"


@dataclass(frozen=True, slots=True)
class Target:
    """`inputs` of at most `longest` bytes in the full form; `seeds` are patterns of files, each put behind `prefix`.

    `mutate` makes another input of one, and keeps its form.
    """

    run: Callable[[bytes], None]
    inputs: int
    longest: int = 4096
    seeds: tuple[tuple[Path, str], ...] = ()
    prefix: bytes = b""
    mutate: Mutate = as_bytes

    def begins_with(self, name: str) -> Iterator[bytes]:
        """The files of the corpus, and those that other tests have anyway."""
        yield from (file.read_bytes() for file in sorted((CORPUS / name).glob("*")))
        for folder, pattern in self.seeds:
            yield from (self.prefix + file.read_bytes() for file in sorted(folder.glob(pattern)))


def _vendor(folder: str, *names: str) -> Target:
    return Target(vendors.answers(*names), 60_000, seeds=((FIXTURES / folder, "*.json"),), prefix=b"\0", mutate=as_json)


TARGETS: dict[str, Target] = {
    "aliyun": _vendor("aliyun", "aliyun"),
    "baidu": _vendor("baidu", "baidu"),
    "huawei": _vendor("huawei", "huawei", "huawei-vehicle-licence"),
    "legacy": _vendor("legacy", "tencent-legacy-vin", "tencent-legacy-licence"),
    "tencent": _vendor("tencent", "tencent", "tencent-vehicle-licence"),
    "tokens": replace(_vendor("huawei"), run=vendors.tokens, seeds=((FIXTURES / "baidu", "token*.json"), (FIXTURES / "huawei", "*.json"))),
    "heads": Target(vendors.heads, 15_000),
    "packed": Target(vendors.packed, 20_000),
    "configuration": Target(settings.configuration, 40_000, seeds=((SHIPPED, "demo*.toml"),), mutate=as_toml),
    "answers": Target(settings.answers, 40_000, mutate=as_toml),
    "rows": Target(store.rows, 150_000, mutate=as_json),
    "poison": Target(store.poison, 4_000, mutate=as_json),
    "store": Target(store.file, 8_000, 400),
    "whole": Target(pictures.whole, 150_000),
    "picture": Target(pictures.picture, 60_000),
    "snapshot": Target(pictures.snapshot, 60_000),
    "video": Target(pictures.video, 10_000, 16_384),
    "login": Target(cameras.login, 60_000, 1024),
    "rtsp": Target(cameras.rtsp, 80_000),
    "hardware": Target(machine.hardware, 30_000, 1024),
    "firmware": Target(machine.firmware, 60_000, 256),
    "names": Target(machine.names, 40_000, 512),
    "barcodes": Target(words.barcodes, 20_000, 1024),
    "commands": Target(yard.command, 80_000, mutate=as_json),
    "broker": Target(yard.broker, 60_000, 1024),
    "typed": Target(words.typed, 100_000, 256),
}
