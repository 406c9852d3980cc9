# What the machine is for: devices named by udev as on a real one, then the program that opens cameras, then power off.
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
exec </dev/null >/dev/ttyS0 2>&1
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
ip link set lo up
/lib/systemd/systemd-udevd --daemon
modprobe -a vhci-hcd uvcvideo
cd /srv && PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 /opt/venv/bin/python -m tests.device.usb.guest
echo "END $?"
sync
echo o >/proc/sysrq-trigger
sleep 10
