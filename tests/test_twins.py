"""Two agents of one name leave the broker in peace and say so; a broker that stops and starts is not taken for a twin."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import config, rounds, twins
from agent.clock import Clock
from agent.errors import AgentError, NeedsOperator, RetryLater
from agent.mqtt import Link
from agent.state import retained
from agent.store import Store
from agent.twins import FACT, Twins
from tests.broker import Broker

CLOCK = Clock(synced=lambda: True)
WILL = retained("vinagent/v1/hamburg/pole/status", {})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "state", config.Store(free_mb=1), 0) as store:
        yield store


def link(broker: Broker, protocol: str) -> Link:
    return Link(config.Mqtt(port=broker.port, protocol=protocol), "vinagent-pole", WILL)


def hold(ours: Link) -> None:
    """Stay connected until that ends, which raises."""
    while True:
        ours.wait(0.1)
        ours.check()


def cut(watching: Twins, broker: Broker, protocol: str) -> AgentError:
    """Logged in, and thrown out by a twin that does the same."""
    with pytest.raises(AgentError) as caught, watching.watched(link(broker, protocol)) as ours, link(broker, protocol):
        hold(ours)
    return caught.value


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_twin_is_noticed_with_a_real_broker(broker: Broker, store: Store, tmp_path: Path, protocol: str) -> None:
    watching, errors = Twins(store, CLOCK), list[AgentError]()
    while len(errors) < twins.TIMES and not any(isinstance(each, NeedsOperator) for each in errors):
        errors.append(cut(watching, broker, protocol))

    assert all(isinstance(each, RetryLater) for each in errors[:-1])
    assert isinstance(errors[-1], NeedsOperator)
    assert "another client logs in at" in str(errors[-1])
    assert "as vinagent-pole" in str(errors[-1])
    assert isinstance(cut(watching, broker, protocol), NeedsOperator), "and again, half a minute later"
    agent = config.Agent(site="hamburg", id="pole", state_dir=tmp_path / "state")
    told = [each.text for each in rounds.broker(config.Settings(agent=agent, mqtt=config.Mqtt(port=broker.port))) if not each.good]
    assert len(told) == 1
    assert told[0].startswith("broker: another client logs in as vinagent-pole (last noted 20")
    assert told[0].endswith("give every agent its own mqtt.client_id")


def test_the_doctor_does_not_throw_the_agent_out(broker: Broker, store: Store, tmp_path: Path) -> None:
    agent = config.Agent(site="hamburg", id="pole", state_dir=tmp_path / "state")
    with link(broker, "5") as ours:
        assert all(each.good for each in rounds.broker(config.Settings(agent=agent, mqtt=config.Mqtt(port=broker.port))))
        ours.wait(0.2)
        ours.check()


def test_a_broker_that_comes_and_goes_is_no_twin(broker: Broker, store: Store) -> None:
    watching = Twins(store, CLOCK)
    for _ in range(2 * twins.TIMES):
        stopping = threading.Timer(0.3, broker.kill)
        stopping.start()
        with pytest.raises(RetryLater), watching.watched(link(broker, "5")) as ours:
            hold(ours)
        stopping.join()
        broker.start()  # so soon that the next try succeeds at once
    assert store.get(FACT) is None


def test_a_connection_that_lasts_is_no_sign_of_a_twin(broker: Broker, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.twins.SOON_S", 0.0)
    watching = Twins(store, CLOCK)
    assert not any(isinstance(cut(watching, broker, "3.1.1"), NeedsOperator) for _ in range(2 * twins.TIMES))
