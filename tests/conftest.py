"""What many tests share: a broker of their own, and a yard that listens to it. A test that needs another kind defines it anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.broker import Broker, Subscriber


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as started:
        yield started


@pytest.fixture
def yard(broker: Broker) -> Iterator[Subscriber]:
    with Subscriber(broker.port) as subscriber:
        yield subscriber
