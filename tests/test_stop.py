"""A stop of the whole agent whatever hangs in it, and signals that come when nobody waits for them."""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from agent.failpoint import VARIABLE
from tests.broker import Broker
from tests.gateway import Gateway

ALLOWED_S = 10.0


def test_an_agent_in_which_every_worker_hangs_and_events_wait_leaves_within_ten_seconds(tmp_path: Path, broker: Broker) -> None:
    """Nobody waits for the outbox as well as for each of them."""
    hung = "send.publishing=hang@1; take.acknowledged=hang@1; command.step=hang@1; power.step=hang@1; read.step=hang@30"
    with Gateway(tmp_path, broker.port, vehicles=3, seed=3) as gateway:
        gateway.kill()
        gateway.start({VARIABLE: hung})
        gateway.wait_for(lambda: all(f"fail point {each.partition('=')[0]}: hang" in gateway.log() for each in hung.split("; ")), 60)
        code, seconds = gateway.stop()
        assert (code, seconds < ALLOWED_S) == (0, True), f"{seconds:.1f} s\n{gateway.log()}"
        assert len(gateway.stored("outbox")) == 1


def test_an_agent_that_hangs_in_the_middle_of_a_commit_leaves_within_ten_seconds(tmp_path: Path, broker: Broker) -> None:
    """Whoever asks the store then waits for its turn; the vehicle lies in the spool, and is told by the next run."""
    with Gateway(tmp_path, broker.port, vehicles=1, seed=3) as gateway:
        gateway.kill()
        gateway.start({VARIABLE: "read.finishing=hang@1"})
        gateway.wait_for(lambda: "fail point read.finishing: hang" in gateway.log(), 60)
        code, seconds = gateway.stop()
        assert (code, seconds < ALLOWED_S) == (1, True), f"{seconds:.1f} s\n{gateway.log()}"
        assert "the store does not answer" in gateway.log()
        assert len(gateway.stored("spool")) == 1
        gateway.start()
        gateway.wait_for(lambda: " accepted " in gateway.log(), 60)
        assert gateway.stop()[0] == 0
        assert len(gateway.stored("sent")) == 1


def test_a_stop_in_order_leaves_no_worker_behind_that_only_rests(tmp_path: Path, broker: Broker) -> None:
    with Gateway(tmp_path, broker.port, vehicles=1, seed=3) as gateway:
        for turn in range(1, 4):
            gateway.wait_for(lambda: gateway.log().count("connected to the broker") == turn)  # noqa: B023 - called within the turn
            assert gateway.stop()[0] == 0
            gateway.start()
        assert "left behind" not in gateway.log()


def test_a_hangup_while_the_agent_starts_does_not_end_it(tmp_path: Path, broker: Broker) -> None:
    """Its terminal has gone, or somebody wants a reload of what is only being read: by itself the signal would end the process."""
    with Gateway(tmp_path, broker.port, vehicles=1) as gateway:
        gateway.kill()
        gateway.start({VARIABLE: "start.opened=slow:2"})
        gateway.wait_for(lambda: "fail point start.opened" in gateway.log())
        gateway.process.send_signal(signal.SIGHUP)
        gateway.wait_for(lambda: gateway.log().count("watching 1 cameras") == 1)
        assert gateway.stop()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_during_a_stop_changes_nothing(tmp_path: Path, broker: Broker, number: signal.Signals) -> None:
    """Ctrl-C twice, an impatient manager, a terminal that closes: to the agent and to its cameras, as a terminal sends it."""
    with Gateway(tmp_path, broker.port, vehicles=50, seed=5) as gateway:
        gateway.wait_for(lambda: "vehicle seen" in gateway.log(), 60)
        children = gateway.children()
        gateway.process.send_signal(number if number != signal.SIGHUP else signal.SIGTERM)
        for _ in range(3):
            for child in children if number != signal.SIGTERM else []:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, number)
            gateway.process.send_signal(number)
            time.sleep(0.05)
        assert gateway.process.wait(ALLOWED_S) == 0, gateway.log()
    assert "code -" not in gateway.log()
    assert "Traceback" not in gateway.log()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_terminal_ends_no_camera_not_even_one_that_has_just_begun(tmp_path: Path, broker: Broker, number: signal.Signals) -> None:
    with Gateway(tmp_path, broker.port, vehicles=50, seed=5) as gateway:
        gateway.wait_for(lambda: bool(gateway.children()))
        (child,) = gateway.children()
        os.kill(child, number)
        gateway.wait_for(lambda: "camera is online" in gateway.log())
        os.kill(child, number)
        time.sleep(0.5)
        assert gateway.children() == [child]
        assert gateway.stop()[0] == 0
    assert "Traceback" not in gateway.log()
