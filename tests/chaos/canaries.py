"""R29: a canary in the place of every secret, everything that can go wrong with it provoked, and no trace of one anywhere afterwards."""

import base64
import json
import os
import secrets
import signal
import stat
import subprocess
import tarfile
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent import config
from tests.broker import Broker, Rules, Subscriber
from tests.chaos.row import Row
from tests.gateway import COMMAND, Gateway
from tests.servers import refusing_port
from tests.vendors import VendorServer
from tests.web_camera import WebCamera

WAYS = ("file", "environment", "credential")
CLOUDS = (
    "tencent", "tencent-vehicle-licence", "huawei", "huawei-vehicle-licence", "tencent-legacy-vin", "tencent-legacy-licence", "baidu",
    "aliyun",
)  # fmt: skip
_STARTS = {"secret_id": "AKID", "access_key_id": "LTAI"}  # by which a vendor's key is known
_USER = "gate"  # at the broker: a name, which complaints may show
Path_ = tuple[str, ...]
_CAMERA: tuple[Path_, ...] = (("camera", "log-in", "user"), ("camera", "log-in", "password"))


def canary(key: str) -> str:
    """A secret of its own, with characters that are escaped somewhere, but in a key that may have none."""
    start = _STARTS.get(key, "")
    return f"{start}{secrets.token_hex(12)}" + ("" if start else "+/%&")


@dataclass(frozen=True, slots=True)
class Flock:
    """Every secret there is and its canary; `urls` are those that stand in addresses, which only the file can hold."""

    proxy_port: int
    values: dict[Path_, str] = field(default_factory=dict)
    urls: tuple[str, str] = field(default_factory=lambda: (canary(""), secrets.token_hex(12)))

    def __post_init__(self) -> None:
        for path in (*config.SECRETS, *_CAMERA):
            if path != ("mqtt", "user"):
                self.values[path] = canary(path[-1])

    def value(self, path: Path_) -> str:
        """As it is set: the proxy's is part of an address."""
        word = self.values[path]
        return f"http://gate:{urllib.parse.quote(word, '')}@127.0.0.1:{self.proxy_port}" if path == ("http", "proxy") else word

    def spellings(self) -> dict[bytes, str]:
        """What to look for: each canary as it is, escaped for addresses and for JSON, and in base64 wherever that began → its name."""
        named = {".".join(path): word for path, word in self.values.items()}
        named |= {"a password in an address": self.urls[0], "a token in an address": self.urls[1]}
        return {spelling: name for name, word in named.items() for spelling in _spelt(word)}


def _spelt(word: str) -> Iterator[bytes]:
    yield from (word.encode(), json.dumps(word)[1:-1].encode(), urllib.parse.quote(word).encode(), urllib.parse.quote(word, "").encode())
    for before in range(3):
        middle = base64.b64encode(b"x" * before + word.encode())[4:-4]
        yield from (middle, middle.translate(bytes.maketrans(b"+/", b"-_")))


@dataclass(slots=True)
class Search:
    """Looks for every spelling in whatever it is given, and remembers where one was."""

    needles: Mapping[bytes, str]
    hits: set[str] = field(default_factory=set)
    size: int = 0
    found_in_own: bool = False  # in the agent's own environment, by nature: so what is looked for can be found

    def through(self, where: str, content: "bytes | str") -> None:
        raw = content.encode("utf-8", "replace") if isinstance(content, str) else content
        self.size += len(raw)
        self.hits |= {f"{name} in {where}" for needle, name in self.needles.items() if needle in raw}

    def folder(self, folder: Path) -> None:
        for file in folder.rglob("*"):
            if file.is_file():
                self.through(file.name, file.read_bytes())

    def processes(self, own: int) -> None:
        """Command lines of all processes; the environment of all but the agent and its children, which inherit what it was given."""
        for process in Path("/proc").glob("[0-9]*"):
            try:
                self.through("a command line", (process / "cmdline").read_bytes())
                if int(process.name) == own:
                    environ = (process / "environ").read_bytes()
                    self.found_in_own |= any(needle in environ for needle in self.needles)
                elif own not in _line(int(process.name)):
                    self.through("the environment of another process", (process / "environ").read_bytes())
            except OSError:
                continue  # gone, or not ours to look into


def _line(pid: int) -> list[int]:
    """The process and those it descends from."""
    line = [pid]
    while line[-1] > 1:
        status = Path(f"/proc/{line[-1]}/stat").read_text("utf-8", "replace")
        line.append(int(status.rpartition(")")[2].split()[1]))
    return line


class Site:
    """One agent with all its canaries, each given in the way that `way` says."""

    def __init__(
        self, folder: Path, flock: Flock, way: Callable[[int], str], broker: Broker, vendors: VendorServer, camera: WebCamera
    ) -> None:
        self.flock, self._credentials, self.environ = flock, folder / "credentials", {"CREDENTIALS_DIRECTORY": str(folder / "credentials")}
        self._credentials.mkdir(parents=True)
        self._by_way: dict[str, list[Path_]] = {each: [] for each in WAYS}
        for number, path in enumerate(flock.values):
            self._by_way[way(number)].append(path)
        self.gateway = Gateway(folder, broker.port, vehicles=2)
        self.gateway.config.chmod(stat.S_IRUSR | stat.S_IWUSR)
        self._base = self.gateway.config.read_text("utf-8"), vendors.url(), camera.url

    def give(self, *, proxy: bool) -> None:
        """Lays every canary where it belongs, that of the proxy only where there is one."""
        self.environ = {"CREDENTIALS_DIRECTORY": str(self._credentials)}
        wanted = [path for path in self.flock.values if proxy or path != ("http", "proxy")]
        for each in self._credentials.iterdir():
            each.unlink()
        for path in wanted:
            if path in self._by_way["environment"]:
                self.environ["VIN_AGENT_" + "_".join(path).upper().replace("-", "_")] = self.flock.value(path)
            elif path in self._by_way["credential"]:
                (self._credentials / ".".join(path)).write_text(self.flock.value(path) + "\n", "utf-8")
        self.gateway.configure(lambda _: self._text([path for path in wanted if path in self._by_way["file"]]))

    def _text(self, in_file: list[Path_]) -> str:
        base, vendors, camera = self._base
        word, token = self.flock.urls
        keys: dict[str, list[str]] = {f"provider.{name.replace('-', '_')}": [f'url = "{vendors}"'] for name in CLOUDS}
        keys["provider.huawei_vehicle_licence"].append('auth = "aksk"')
        keys["provider.huawei"] += [f'iam_url = "{vendors}"', 'auth = "token"', 'domain = "yard"', 'user = "gate"']
        for name in ("huawei", "huawei_vehicle_licence"):
            keys[f"provider.{name}"].append('project_id = "0123456789abcdef0123456789abcdef"')
        for name in ("tencent_legacy_vin", "tencent_legacy_licence"):
            keys[f"provider.{name}"].append('appid = "1250000001"')
        log_in = ['name = "log-in"', 'driver = "snapshot"', f'source = "{camera}/picture"']
        for path in in_file:
            line = f"{path[-1]} = {json.dumps(self.flock.value(path))}"
            if path[0] == "camera":
                log_in.append(line)
            elif path[0] == "mqtt":
                base = base.replace("[mqtt]\n", f"[mqtt]\n{line}\n")
            else:
                keys.setdefault(".".join(path[:-1]), []).append(line)
        base = base.replace('log_level = "info"', 'log_level = "debug"').replace("[mqtt]\n", f'[mqtt]\nuser = "{_USER}"\n')
        base = base.replace('chain = ["embedded"]', f"chain = {json.dumps([*CLOUDS, 'embedded'])}")
        rtsp = f"rtsp://gate:{urllib.parse.quote(word, '')}@127.0.0.1:{refusing_port()}/1"
        cameras = [
            "\n".join(log_in),
            f'name = "rtsp"\ndriver = "opencv"\nsource = "{rtsp}"',
            f'name = "token"\ndriver = "opencv"\nsource = "{camera}/video?token={token}"',
        ]
        sections = [f"[{name}]\n" + "\n".join(lines) for name, lines in keys.items()]
        return "\n".join((base, *(f"[[camera]]\n{each}" for each in cameras), *sections, ""))

    def told(self, *arguments: str) -> str:
        """What a command prints, whatever it finds."""
        command, environ = [COMMAND, *arguments, "--config", str(self.gateway.config)], {**os.environ, **self.environ}
        done = subprocess.run(command, capture_output=True, env=environ, timeout=120, check=False)
        return (done.stdout + done.stderr).decode("utf-8", "replace")


@dataclass(slots=True)
class Outcome:
    canaries: int
    provoked: dict[str, bool]
    search: Search


def run(folder: Path, way: Callable[[int], str]) -> Outcome:
    """Two starts: one at which nothing can be reached and which is aborted, one that works but for vendors and cameras, which refuse."""
    flock = Flock(refusing_port())
    search = Search(flock.spellings())
    login = (_USER, flock.values["mqtt", "password"])
    broker = Broker(folder / "broker", Rules(login=(_USER, "another password")))
    with VendorServer() as vendors, WebCamera("basic", "somebody", "else") as camera, broker:
        site = Site(folder / "agent", flock, way, broker, vendors, camera)
        gateway = site.gateway
        site.give(proxy=True)
        gateway.start(site.environ)
        with _Ended(gateway):
            gateway.wait_for(lambda: all(word in gateway.log() for word in ("mqtt.password", "log-in:", "rtsp:")))
            search.processes(gateway.process.pid)
            gateway.process.send_signal(signal.SIGABRT)
            gateway.process.wait(10)
            broker.stop()
            broker.rules = Rules(login=login)
            broker.start()
            site.give(proxy=False)
            with Subscriber(broker.port, login=login) as yard:
                gateway.start(site.environ)
                yard.wait_for(lambda seen: any("/gate/north-in/" in each.topic for each in seen), 60)
                search.processes(gateway.process.pid)
                _look(site, search, folder)
                gateway.stop()
                for each in yard.collect():
                    search.through(f"a message on {each.topic}", each.topic.encode() + each.payload)
        _wrong_settings(site, search)
        provoked = {
            "wrong log-in at the broker": "mqtt.password" in gateway.log(),
            "aborted with a stack": "Fatal Python error: Aborted" in gateway.log(),
            "camera refused": camera.refused > 0,
            **{f"{name} refused": f"{name} is passed over" in gateway.log() for name in CLOUDS},
        }
    search.through("the log", gateway.log())
    search.folder(gateway.state)
    return Outcome(len(flock.values) + len(flock.urls), provoked, search)


@dataclass(slots=True)
class _Ended:
    """Whatever happens, no agent is left behind."""

    gateway: Gateway

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self.gateway.__exit__()


def _look(site: Site, search: Search, folder: Path) -> None:
    """At what a person would send to a maintainer."""
    bundle = folder / "bundle.tar.gz"
    search.through("the bundle's list", site.told("bundle", str(bundle), "--with-vehicles"))
    with tarfile.open(bundle) as tar:
        for member in tar:
            if content := tar.extractfile(member):
                search.through(f"the bundle's {member.name}", content.read())
    for arguments in (("doctor", "--at-rest"), ("check",), *(("doctor", "--provider", name) for name in CLOUDS[:2])):
        search.through(" ".join(arguments), site.told(*arguments))


def _wrong_settings(site: Site, search: Search) -> None:
    """What is said about a secret that cannot be right, or stands in the wrong place."""
    word = site.flock.urls[0]
    right = site.gateway.config.read_text("utf-8")
    for wrong in (
        f'\n[[camera]]\nname = "odd"\ndriver = "opencv"\nsource = "rtsp://gate:{word}@@host/1"\n',
        f'\n[[camera]]\nname = "odd"\npassword = ["{word}"]\n',
        f'\n[[camera]]\nname = "odd"\npasword = "{word}"\n',
        f'\n[[camera]]\nname = "odd"\nsource = ["rtsp://gate:{word}@host"]\n',
    ):
        site.gateway.configure(lambda _, wrong=wrong: right + wrong)  # type: ignore[misc]  # mypy knows no default here
        said = site.told("check")
        assert "agent.toml" in said, said
        search.through("a complaint about the settings", said)


def fault(folder: Path, full: bool) -> Row:
    """In short one agent whose secrets come in all three ways; in full one agent for each."""
    ways: list[Callable[[int], str]] = [lambda number: WAYS[number % 3]]
    if full:
        ways += [lambda _number, way=way: way for way in WAYS]  # type: ignore[misc]  # mypy knows no default here
    outcomes = [run(folder / str(number), way) for number, way in enumerate(ways)]
    hits = sorted({hit for each in outcomes for hit in each.search.hits})
    missing = sorted({what for each in outcomes for what, done in each.provoked.items() if not done})
    missing += [] if any(each.search.found_in_own for each in outcomes) else ["canaries in the agent's own environment"]
    seen = sum(each.search.size for each in outcomes) // 1000
    told = "; ".join(filter(None, (f"found: {', '.join(hits)}" if hits else "", f"not provoked: {', '.join(missing)}" if missing else "")))
    return Row(
        fault="every secret a canary, given by file, environment and credential, refused and crashed upon",
        times=f"{sum(each.canaries for each in outcomes)} secrets, {seen} kB of logs, messages, store, bundle and process lists",
        lost=0,
        ok=not hits and not missing,
        note=told or "0 traces",
    )
