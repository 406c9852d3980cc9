"""The few words a service says to systemd (sd_notify(3)): ready, alive, reloading, stopping, and a line for `systemctl status`."""

import os
import socket
import time


def notify(*lines: str) -> bool:
    """Send lines such as `READY=1`; False where nobody listens, as on a desk without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # A leading @ stands for the zero byte of an abstract socket.
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            # Never wait for a stuck manager: a watchdog ping that blocks is worse than one that is missed.
            sock.setblocking(False)
            # A line break in a status would begin another word to the manager, and what is no text would end us.
            sock.sendto("\n".join(" ".join(line.splitlines()) for line in lines).encode("utf-8", "backslashreplace"), target)
    except OSError:
        return False
    return True


def reloading(*lines: str) -> bool:
    """A reload begins; it is over with the next `READY=1`. systemd tells by the time which one of two is meant (sd_notify(3))."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}", *lines)


def stuck(why: str) -> bool:
    """Have the watchdog act now: what is late stays late, and `why` stands in the journal beside its word."""
    return notify(f"STATUS={why}", "WATCHDOG=trigger")


def failing(why: str, number: int) -> bool:
    """The service is about to leave because of an error: `why` and the errno stand in `systemctl status` until the next start."""
    return notify(f"STATUS={why}", f"ERRNO={number}")


def watchdog_s() -> float | None:
    """Seconds between two pings, half of what systemd allows (sd_watchdog_enabled(3)); None where it does not watch us."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000
