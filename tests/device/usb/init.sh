#!/bin/busybox sh
# First program of the machine: its root is the tree outside, read only, with memory laid over it for what is written.
b=/bin/busybox
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
for module in /modules/*; do $b insmod "$module"; done
share="trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro"
$b mkdir -p /below /memory
$b mount -t 9p -o "$share" tree /below || exec $b poweroff -f
$b mount -t tmpfs tmpfs /memory
$b mkdir -p /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/below,upperdir=/memory/upper,workdir=/memory/work overlay /root
$b mount -t 9p -o "$share" code /root/srv
$b mount --move /dev /root/dev
$b mount --move /proc /root/proc
exec $b switch_root /root /bin/sh /srv/tests/device/usb/run.sh
