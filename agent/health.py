"""How the agent is: what its threads count, gathered into the retained messages the yard sees."""

import os
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from agent import announced, config, state
from agent.board import Board
from agent.child import View
from agent.children import Children
from agent.clock import BUILT_MS, Clock
from agent.commands import KINDS
from agent.domain import Event, Stamp
from agent.events import Message, delivered, event_message, last, queued_ms
from agent.identity import Identity
from agent.ocr.budget import periods
from agent.store import Store

_CAMERA: dict[str, state.CameraState] = {"ended": "disabled"}
_STATUS_OF, _ALARMS_OF = "camera/", "alarm/"
_LATE_S = 600.0  # events or captures that wait so long are worth a word


class Reporter:
    """Turns the board, the store and the cameras into messages: all of them at a connect, and later what has changed."""

    def __init__(self, settings: config.Settings, identity: Identity, store: Store, children: Children, board: Board, clock: Clock) -> None:
        self._settings, self._identity, self._store = settings, identity, store
        self._children, self._board, self._clock = children, board, clock
        self._told: dict[str, tuple[object, ...]] = {}
        self._health_at = float("-inf")

    def renew(self, settings: config.Settings, identity: Identity) -> None:
        """Tell of these settings from now on; called by the main thread, between two messages or within one."""
        self._settings, self._identity = settings, identity

    def will(self) -> Message:
        """What the broker says in our place when we are gone without a word."""
        return self.status("offline")

    def status(self, phase: state.Running | None = None) -> Message:
        board = self._board
        payload = state.status(
            phase or board.phase,
            boot_id=board.started.boot_id,
            session=board.session,
            version=self._identity.facts.version,
            since=board.started,
            last_exit=board.last_exit,
        )
        return state.retained(self._identity.topics.status, payload)

    def everything(self) -> list[Message]:
        """The whole retained state, in the order a subscriber should meet it: a broker may have forgotten all of it."""
        self._told.clear()
        self._health_at = float("-inf")
        self._told["status"], self._told["info"] = (self._board.phase,), (self._identity.facts.config,)
        return [self.status(), self._info(), *self.changes(), *(self._last(*kept) for kept in self._kept())]

    def changes(self) -> list[Message]:
        """Cameras whose state is another than the one told last; health when it is due or its condition changed."""
        now = self._clock.now()
        cameras = [self.status()] if self._is_news("status", (self._board.phase,)) else []
        cameras += [self._info()] if self._is_news("info", (self._identity.facts.config,)) else []
        views = self._children.views()  # once: a reload may exchange the cameras between two looks
        cameras += self._cameras(views, now)
        due = now.seconds - self._health_at >= self._settings.health.every_s
        reasons = self._reasons(now)
        if self._is_news("", reasons) or due:
            self._health_at = now.seconds
            cameras.append(state.retained(self._identity.topics.health, state.health(self._health(now, reasons), now)))
        return cameras + self._alarms(views, now) + self._forgotten() + self._discovery()

    def _discovery(self) -> list[Message]:
        """What Home Assistant is to show, after the state it will ask for."""
        if not self._is_news("discovery", (self._identity.facts.config,)):
            return []
        return announced.messages(self._settings, self._identity.facts, self._identity.topics, self._store)

    def _cameras(self, views: Sequence[View], now: Stamp) -> list[Message]:
        """What is new of each camera; one that was taken out of the configuration leaves nothing on the broker."""
        topics = self._identity.topics
        gone = {key.removeprefix(_STATUS_OF) for key in self._told if key.startswith(_STATUS_OF)} - {view.name for view in views}
        for name in gone:
            del self._told[_STATUS_OF + name]
            self._told.pop(_ALARMS_OF + name, None)  # it may never have been told, where health could not be
        topics_left = [topic(name) for name in sorted(gone) for topic in (topics.camera_status, topics.camera_alarm)]
        left = [Message(topic, b"", retain=True) for topic in topics_left]
        return left + [self._camera(view, now) for view in views if self._is_news(_STATUS_OF + view.name, (view.state, view.reason))]

    def _alarms(self, views: Sequence[View], now: Stamp) -> list[Message]:
        """What is wrong with the pictures, of each camera of which that has changed."""
        topic = self._identity.topics.camera_alarm
        news = [view for view in views if self._is_news(_ALARMS_OF + view.name, view.alarms)]
        return [state.retained(topic(view.name), state.camera_alarm(view.alarms, now)) for view in news]

    def _is_news(self, name: str, what: tuple[object, ...]) -> bool:
        if self._told.get(name) == what:
            return False
        self._told[name] = what
        return True

    def _info(self) -> Message:
        cameras = [
            state.CameraInfo(name=each.name, gate=each.gate, driver=each.driver, lane=each.lane or None, direction=each.direction or None)
            for each in self._settings.camera
        ]
        capabilities = [f"cmd/{name}" for name in KINDS] if self._settings.mqtt.commands else []
        payload = state.info(self._identity.facts, cameras, self._settings.reading.chain, capabilities)
        return state.retained(self._identity.topics.info, payload)

    def _forgotten(self) -> list[Message]:
        """The empty message for each gate whose last VIN an operator took out: once, and again where a broker may have kept it."""
        # Of every gate there ever was: one that was taken out of the configuration may still stand on the broker.
        gone = [each for name in self._store.named("last/") if (each := self._store.get(name)) and each["payload"] is None]
        topics = [self._topic_of_last(each) for each in gone if self._is_news(each["topic"], (each["sequence"],))]
        return [Message(topic, b"", retain=True) for topic in topics]

    def known_lasts(self) -> dict[str, int]:
        """Topic → number of the newest VIN of each gate, also of one that was taken out: an older one must not take its place."""
        return {self._topic_of_last(each): each["sequence"] for each in self._newest()}

    def _topic_of_last(self, kept: dict[str, Any]) -> str:
        return self._identity.topics.last(Event("", kept["topic"], {}))

    def _newest(self) -> list[dict[str, Any]]:
        """What is kept of the newest VIN event of each gate; its payload is None where an operator took it out."""
        gates = dict.fromkeys(camera.gate for camera in self._settings.camera)
        return [kept for gate in gates if (kept := self._store.get(f"last/gate/{gate}/vin"))]

    def _kept(self) -> list[tuple[Event, int, int]]:
        """The newest VIN event of each gate, its number, and when it was committed."""
        kept = [each for each in self._newest() if each["payload"] is not None]
        return [(Event(each["payload"]["id"], each["topic"], each["payload"]), each["sequence"], each["put_ms"]) for each in kept]

    def _last(self, event: Event, sequence: int, put_ms: int) -> Message:
        """What a screen at the gate should show; an empty message takes away what may not stay on the broker."""
        topic = self._identity.topics.last(event)
        if not self._settings.mqtt.last:
            return Message(topic, b"", retain=True)
        waited_ms = queued_ms(event.payload, put_ms, self._clock.now())
        return event_message(topic, last(delivered(event.payload, sequence, replay=True, attempt=1, queued_ms=waited_ms)), retain=True)

    def _camera(self, view: View, now: Stamp) -> Message:
        ages = {"frame_age_ms": _age_ms(view.last_frame_at, now), "good_frame_age_ms": _age_ms(view.last_good_at, now)}
        payload = state.camera_status(_state(view), now, reason=view.reason[:200] or None, **ages)
        return state.retained(self._identity.topics.camera_status(view.name), payload)

    def _reasons(self, now: Stamp) -> tuple[str, ...]:
        """Stable codes for everything that is not as it should be, worst first."""
        views = self._children.views()
        found = [
            ("store_unwritable", bool(self._store.unwritable)),
            ("config_rejected", bool(self._board.refused)),
            ("no_camera", not views),
            ("camera_offline", any(view.state == "offline" for view in views)),
            ("camera_degraded", any(view.state == "degraded" for view in views)),
            ("camera_alarm", any(alarm.on for view in views for alarm in view.alarms)),
            ("under_voltage", bool(self._board.power.under_voltage)),
            ("throttled", bool(self._board.power.throttled)),
            ("hot", self._board.heat != "normal"),
            ("provider_off", any(circuit.off_until > now.seconds for circuit in self._board.circuits.values())),
            ("reading_late", (_waited_s(self._store.spool.oldest_ms(), now) or 0.0) > _LATE_S),
            ("sending_late", (_waited_s(self._store.outbox.oldest_ms(), now) or 0.0) > _LATE_S),
            ("store_loss", bool(self._store.losses)),
            ("disk_low", self._store.size().free_bytes < self._settings.store.free_mb * 1_000_000),
            ("writes_high", self._writes_much()),
            ("clock_unsynced", now.trust != "synced"),
        ]
        return tuple(code for code, holds in found if holds)

    def _health(self, now: Stamp, reasons: tuple[str, ...]) -> state.Health:
        # An unsynchronised clock or a low disk is worth telling; only what keeps vehicles from being told is a failure.
        serious = {"store_unwritable", "store_loss", "camera_offline"} & set(reasons)
        failed = bool(serious) and all(view.state == "offline" for view in self._children.views())
        board, store, size, behind = self._board, self._store, self._store.size(), self._store.behind()
        return state.Health(
            state="failed" if failed else "degraded" if reasons else "ok",
            reasons=reasons,
            uptime_s=round((now.monotonic_ms - board.started.monotonic_ms) / 1000),
            boot_id=now.boot_id,
            last_exit=board.last_exit,
            cameras=tuple(_camera_health(view, now) for view in self._children.views()),
            queue=state.QueueHealth(
                events_unsent=len(store.outbox) + behind.events,
                oldest_age_s=_waited_s(store.outbox.oldest_ms(), now),
                bytes=size.bytes,
                cap_bytes=size.cap_bytes,
                evicted=store.get("evicted", 0),
            ),
            spool=state.SpoolHealth(waiting=len(store.spool) + behind.vehicles, oldest_age_s=_waited_s(store.spool.oldest_ms(), now)),
            mqtt=board.mqtt() if board.mqtt else None,
            commands=board.commands() if board.commands else None,
            providers=self._providers(now),
            clock=state.ClockHealth(trust=now.trust, offset_ms=self._clock.offset_ms),
            power=_power(board),
            disk=self._disk(size.free_bytes),
            process=_process(),
            reads=state.ReadsHealth(
                accepted=board.outcomes["accepted"],
                needs_review=board.outcomes["needs_review"],
                unread=dict(board.unread),
                again=board.again,
                other_text=board.other_text,
            ),
        )

    def _writes_much(self) -> bool:
        most = self._settings.store.max_write_mb_per_day * 1_000_000
        return 0 < most < (self._board.writes.today_bytes or 0)

    def _disk(self, free_bytes: int) -> state.DiskHealth:
        """Without a vehicle there is nothing to divide by."""
        board, events = self._board, sum(self._board.outcomes.values())
        own = board.writes
        return state.DiskHealth(
            free_bytes=free_bytes,
            **asdict(board.disk),
            agent_written_today_bytes=own.today_bytes,
            bytes_per_event=None if own.bytes is None or not events else own.bytes // events,
            flushes_per_event=self._store.commits / events if events else None,
        )

    def _providers(self, now: Stamp) -> dict[str, state.ProviderHealth]:
        at = periods(now.utc_ms)
        return {
            name: state.ProviderHealth(
                state="off" if circuit.off_until > now.seconds else "on",
                calls_today=self._store.ledger.spent(name, at.day_ms, at.next_day_ms).calls,
                calls_month=self._store.ledger.spent(name, at.month_ms, at.next_month_ms).calls,
            )
            for name, circuit in self._board.circuits.items()
        }


def _state(view: View) -> state.CameraState:
    return _CAMERA.get(view.state, cast("state.CameraState", view.state))


def _age_ms(since: float | None, now: Stamp) -> int | None:
    return None if since is None else max(0, round((now.seconds - since) * 1000))


def _power(board: Board) -> state.PowerHealth | None:
    """None where the machine tells nothing of its supply and heat."""
    known = {name: value for name, value in asdict(board.power).items() if value is not None}
    return state.PowerHealth(**known, frame_rate=board.rate) if known else None


def _camera_health(view: View, now: Stamp) -> state.CameraHealth:
    return state.CameraHealth(
        name=view.name,
        state=_state(view),
        fps=view.fps,
        frame_age_ms=_age_ms(view.last_frame_at, now),
        good_frame_age_ms=_age_ms(view.last_good_at, now),
        alarms=tuple(alarm.name for alarm in view.alarms if alarm.on) or None,
        restarts=view.restarts,
        sharpness=view.sharpness,
        repeats=view.repeats,
    )


def _waited_s(since_ms: int | None, now: Stamp) -> float | None:
    if since_ms is None:
        return None
    waited = max(0.0, (now.utc_ms - since_ms) / 1000)
    # What was written while the clock was not set is not decades old once it is: it waits since this boot, as far as anybody knows.
    return min(now.seconds, waited) if since_ms < BUILT_MS <= now.utc_ms else waited


def _process() -> state.ProcessHealth:
    """Resident memory, open files and threads of the parent, from /proc."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    files = len(list(Path("/proc/self/fd").iterdir()))
    return state.ProcessHealth(rss_bytes=pages * os.sysconf("SC_PAGE_SIZE"), fds=files, threads=threading.active_count())
