"""A machine with a kernel of its own (QEMU), because this one's may have no cameras at all: what the program inside it found out."""

from __future__ import annotations

import json
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

from tests.device.trees import installed, tree

HERE: Final = Path(__file__).parent
CHECKOUT: Final = HERE.parents[1]
PACKAGES: Final = ("busybox-static", "cpio", "iproute2", "kmod", "python3-numpy", "python3-venv", "udev", "v4l-utils")
NEEDS: Final = "anyio certifi h11 httpcore httpx idna opencv-python-headless typing_extensions"
SETUP: Final = (
    "apt-get update --quiet=2",
    "cd /tmp && apt-get download --quiet=2 $(apt-cache depends linux-image-amd64 | grep -o 'linux-image-[0-9].*' | head -1)",
    # Unpacked and no more: installed, it would bring tools that make an initrd for every disk there is.
    "mkdir /tmp/kernel && dpkg-deb --extract /tmp/linux-image-*.deb /tmp/kernel",
    "mv /tmp/kernel/boot/vmlinuz-* /boot/vmlinuz && mv /tmp/kernel/lib/modules /usr/lib/ && rm -r /tmp/kernel /tmp/linux-image-*",
    "sh /opt/make_initrd.sh",
    "python3 -m venv --system-site-packages /opt/venv",
    f"/opt/venv/bin/pip install --quiet --disable-pip-version-check --no-deps -c /opt/constraints.txt {NEEDS}",
)
FILES: Final = {
    "/opt/constraints.txt": CHECKOUT / "config/constraints.txt",
    "/opt/init.sh": HERE / "usb/init.sh",
    "/opt/make_initrd.sh": HERE / "usb/make_initrd.sh",
}
LIMIT_S: Final = 600.0

Facts = dict[str, list[dict[str, Any]]]


@cache
def facts() -> Facts:
    """Boot once, let the cameras be plugged in and out, and collect what was said under each name."""
    root = tree("bookworm", PACKAGES, SETUP, FILES)
    began = time.monotonic()
    ended = subprocess.run(_command(root), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    lines = ended.stdout.replace("\r", "").splitlines()
    found: Facts = {"outside": [{"took_s": time.monotonic() - began}]}
    for line in lines:
        _, fact, rest = line.partition("FACT ")
        if fact:
            name, _, values = rest.partition(" {")
            found.setdefault(name, []).append(json.loads("{" + values))
    assert "END 0" in lines, "\n".join(lines[-60:]) + ended.stderr
    return found


def _command(root: Path) -> list[str]:
    # A kernel as Debian builds it hangs on the para-virtual KVM of some build machines: emulation always works.
    machine = ["-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1500", "-no-reboot", "-nic", "none"]
    shares = [part for name, path in (("tree", root), ("code", CHECKOUT)) for part in _share(name, path)]
    kernel = ["-kernel", str(root / "boot/vmlinuz"), "-initrd", str(root / "boot/initrd"), "-append", "console=ttyS0 quiet panic=-1"]
    return [installed("qemu-system-x86_64", "qemu-system-x86"), *machine, "-nographic", *kernel, *shares]


def _share(name: str, path: Path) -> tuple[str, str]:
    return "-virtfs", f"local,path={path},mount_tag={name},security_model=none,readonly=on,multidevs=remap"
