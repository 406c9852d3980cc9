"""The library's client, which keeps no more of what a broker brings than any message for us may have."""

from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

MOST_TAKEN = 65_536  # bytes of a packet a broker may bring us; with MQTT 5 it keeps larger ones to itself


class _Head(bytearray):
    """The beginning of a packet, and nothing of what comes after it."""

    def __iadd__(self, more: Any) -> "_Head":  # type: ignore[misc]  # what is added to it afterwards is left out, and that is its use
        self.extend(more[: max(0, MOST_TAKEN - len(self))])
        return self


class Capped(Client):
    """MQTT 3.1.1 has no word for how much we take: whoever may send commands could fill the memory with one of 256 MB. To hang up would
    not help where the broker keeps it for every new connection, so it is read to its end and refused for its length.
    """

    def _packet_read(self) -> MQTTErrorCode:
        if not isinstance(self._in_packet["packet"], _Head):  # the library makes a new one for each packet
            self._in_packet["packet"] = _Head()
        return super()._packet_read()

    def _sock_recv(self, bufsize: int) -> bytes:
        # It would make room for the whole packet before the first byte has come.
        return super()._sock_recv(min(bufsize, MOST_TAKEN))
