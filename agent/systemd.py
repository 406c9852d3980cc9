"""The few words a service says to systemd (sd_notify(3)): ready, alive, stopping, and one line for `systemctl status`."""

import os
import socket


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
            sock.sendto("\n".join(lines).encode(), target)
    except OSError:
        return False
    return True


def watchdog_s() -> float | None:
    """Seconds between two pings, half of what systemd allows (sd_watchdog_enabled(3)); None where it does not watch us."""
    usec, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not usec.isdigit() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000
