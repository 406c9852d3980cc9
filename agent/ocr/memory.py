"""Which pictures a provider has seen already, and what came of it, so that no picture is paid for twice."""

import hashlib
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from agent.domain import EncodedImage, Reading
from agent.errors import Rejected
from agent.records import reading_from_json, reading_to_json


def fingerprint(image: EncodedImage) -> str:
    """The picture as it would be sent, bit by bit: what looks alike is another picture, and may be read where this was not."""
    return hashlib.sha256(image.jpeg).hexdigest()


@dataclass(frozen=True, slots=True)
class Memory:
    """Answers by provider and picture, in a table of the store; a table in memory where nothing has to outlive the process."""

    table: MutableMapping[str, Any]
    # How a refusal is written, outside any transaction: where the disk fails at that moment it must not be forgotten.
    insist: Callable[[Callable[[], None]], object] = lambda work: work()

    def recall(self, provider: str, image: EncodedImage) -> Reading | None:
        """The reading this very picture gave before, or None; raises `Rejected` as the provider did where it refused it."""
        known = self.table.get(_key(provider, image))
        if known is None:
            return None
        if known["reading"] is None:
            raise Rejected(known["why"], charged=False)
        return replace(reading_from_json(known["reading"]), image=image.number)

    def read(self, image: EncodedImage, reading: Reading, now_ms: int) -> None:
        """Keeps a reading, also one that is empty; durable on return, or with the caller's transaction."""
        self._keep(reading.provider, image, {"reading": reading_to_json(reading), "why": ""}, now_ms)

    def refused(self, provider: str, image: EncodedImage, why: str, now_ms: int) -> None:
        self.insist(partial(self._keep, provider, image, {"reading": None, "why": why}, now_ms))

    def _keep(self, provider: str, image: EncodedImage, what: dict[str, Any], now_ms: int) -> None:
        self.table[_key(provider, image)] = {**what, "read_id": image.read_id, "put_ms": now_ms}


def _key(provider: str, image: EncodedImage) -> str:
    return f"{provider}/{fingerprint(image)}"
