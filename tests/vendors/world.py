"""All that the vendors know and that a test may set: accounts, the clock, what pictures show, answer shapes, limits, tokens."""

import random
import secrets
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.vendors.wire import Refused, digest

VENDORS = ("tencent", "huawei", "huawei-iam", "tencent-legacy", "baidu", "baidu-token", "aliyun")


@dataclass(frozen=True, slots=True)
class Accounts:
    """The keys every vendor has on file. The temporary Tencent key goes with its token only."""

    tencent_id: str = "AKIDgate0000000000000000000000000001"
    tencent_key: str = "tencent-secret-of-the-test-server"
    tencent_temporary_id: str = "AKIDtemporary000000000000000000000002"
    tencent_temporary_key: str = "tencent-temporary-secret-of-the-server"
    tencent_token: str = "tencent-session-token-of-the-test-server"
    huawei_access_key: str = "GATE0000000000000001"
    huawei_secret_key: str = "huawei-secret-of-the-test-server"
    huawei_security_token: str = ""  # when set, AK/SK are temporary and need it
    huawei_project_id: str = "0123456789abcdef0123456789abcdef"
    huawei_project: str = "cn-north-4"
    huawei_account: str = "yard"
    huawei_user: str = "gate"
    huawei_password: str = "huawei-password-of-the-test-server"
    legacy_appid: str = "1250000001"
    legacy_id: str = "AKIDlegacy00000000000000000000000003"
    legacy_key: str = "legacy-secret-of-the-test-server"
    legacy_bucket: str = "yard"
    baidu_key: str = "baidu-api-key-of-the-server"
    baidu_secret: str = "baidu-secret-of-the-test-server"
    aliyun_id: str = "LTAIgate00000000000000001"
    aliyun_key: str = "aliyun-secret-of-the-test-server"


@dataclass(frozen=True, slots=True)
class Card:
    """What a picture shows: a VIN, and where it is a document the rest of it."""

    vin: str
    plate: str = "粤B12345"
    model: str = "大众汽车牌SVW71612BM"
    engine: str = "416098"
    owner: str = "张三"
    address: str = "深圳市南山区科技园1号"
    use: str = "非营运"
    kind: str = "小型轿车"
    registered: str = "2014-12-25"
    issued: str = "2014-12-30"
    name: str = "李四"  # a driving licence's


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was handed out: until when (Unix seconds), and for which project, empty without one."""

    expires: float
    project_id: str = ""
    project: str = ""


Reader = Callable[[bytes], "str | Card | None"]


@dataclass
class World:
    """Shared by all handlers; what a test sets is in plain attributes, set between calls."""

    accounts: Accounts = field(default_factory=Accounts)
    pictures: dict[str, Card] = field(default_factory=dict)  # by SHA-256
    reader: Reader | None = None  # asked for pictures that are not in the table
    pages: dict[str, bytes] = field(default_factory=dict)  # what may be downloaded, by url
    shapes: dict[str, frozenset[str]] = field(default_factory=dict)
    token_seconds: float = 86_400
    token_length: int = 3_000  # characters; real ones fill several kilobytes
    seed: int = 1

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.stop = threading.Event()
        self.tokens: dict[str, Token] = {}
        self.nonces: set[str] = set()
        self.limits: dict[str, tuple[int, float]] = {"tencent": (10, 1.0), "aliyun": (10, 1.0)}
        self.quotas: dict[str, int] = {}
        self._times: dict[str, deque[float]] = {vendor: deque() for vendor in VENDORS}
        self._failures: dict[str, tuple[int, float]] = {}
        self._ahead_s = 0.0
        self._random = random.Random(self.seed)

    def now(self) -> float:
        """The server's clock, Unix seconds."""
        return time.time() + self._ahead_s

    def set_clock(self, unix_s: float) -> None:
        """From now on the server's clock runs from this moment."""
        self._ahead_s = unix_s - time.time()

    def shaped(self, vendor: str, word: str) -> bool:
        return word in self.shapes.get(vendor, frozenset())

    def card(self, picture: bytes) -> Card | None:
        """What the picture shows, from the table or the reader."""
        known = self.pictures.get(digest(picture))
        if known is not None or self.reader is None:
            return known
        read = self.reader(picture)
        return Card(read) if isinstance(read, str) else read

    def download(self, url: object, otherwise: str) -> bytes:
        """The picture at an address, or a refusal with the given code: the servers reach no network."""
        if not isinstance(url, str) or url not in self.pages:
            raise Refused(otherwise)
        return self.pages[url]

    def within_limit(self, vendor: str) -> bool:
        """Counts one more call; False where the vendor's rate is exceeded. Refused calls do not count."""
        calls, seconds = self.limits.get(vendor, (0, 1.0))
        with self.lock:
            times, now = self._times[vendor], time.monotonic()
            while times and times[0] <= now - seconds:
                times.popleft()
            if calls and len(times) >= calls:
                return False
            times.append(now)
        return True

    def spend(self, vendor: str) -> bool:
        """Takes one of the calls that were bought; False when none is left. Without a quota there is always one."""
        with self.lock:
            left = self.quotas.get(vendor, 1)
            if vendor in self.quotas:
                self.quotas[vendor] = max(left - 1, 0)
            return left > 0

    def issue_token(self, prefix: str, token: Token, length: int) -> str:
        text = prefix + secrets.token_hex(length // 2)
        with self.lock:
            self.tokens[text] = token
        return text

    def failed(self, who: str) -> None:
        """One more failure in a row of a key or a user."""
        with self.lock:
            self._failures[who] = (self._failures.get(who, (0, 0.0))[0] + 1, self.now())

    def succeeded(self, who: str) -> None:
        with self.lock:
            self._failures.pop(who, None)

    def locked(self, who: str, after: int, seconds: float) -> bool:
        """Whether more than `after` failures in a row lie less than `seconds` back."""
        failures, last = self._failures.get(who, (0, 0.0))
        return failures > after and self.now() < last + seconds

    def request_id(self) -> str:
        with self.lock:
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


def documents(vins: Mapping[bytes, str | Card]) -> dict[str, Card]:
    """A table by hash of a table by picture."""
    return {digest(picture): shown if isinstance(shown, Card) else Card(shown) for picture, shown in vins.items()}
