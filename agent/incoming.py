"""The parent's end of a camera's pipe: what lies in it is taken, and the rest of a word is never waited for."""

import os
import struct
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import cast

from agent.wire import FromChild, FromParent

# As multiprocessing frames what is sent: four bytes of length, then the word itself.
_LENGTH = struct.Struct("!i")
_PIECE = 256 * 1024
_LONGEST = 64 * 1024 * 1024  # bytes of a word; eight pictures as large as a provider takes are less


class Incoming:
    """Puts the words of one process together. `recv()` waits for the end of a word that has begun: of a process that was stopped in the
    middle of one for as long as it may be silent, and all other cameras with it.
    """

    def __init__(self) -> None:
        self._got = bytearray()

    def take(self, pipe: "Connection[FromParent, FromChild]") -> FromChild | None:
        """The next word, None while it is not whole; raises `EOFError` at the end, `OSError` for what can be no word."""
        while pipe.poll():
            some = os.read(pipe.fileno(), min(self._lacks(), _PIECE))
            if not some:
                raise EOFError
            self._got += some
            if not self._lacks():
                whole, self._got = self._got, bytearray()
                return cast("FromChild", ForkingPickler.loads(memoryview(whole)[_LENGTH.size :]))
        return None

    def _lacks(self) -> int:
        """How many bytes there are to go: first to the end of the length, then to that of the word."""
        if len(self._got) < _LENGTH.size:
            return _LENGTH.size - len(self._got)
        length: int = _LENGTH.unpack_from(self._got)[0]
        if not 0 < length <= _LONGEST:
            raise OSError(f"a camera's process sends a word of {length} bytes")
        return _LENGTH.size + length - len(self._got)
