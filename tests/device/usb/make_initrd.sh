# Makes /boot/initrd of a tree with a kernel's modules: just enough to mount that tree over 9p and to go on in it.
set -eu
version=$(ls /usr/lib/modules)
depmod "$version"
work=$(mktemp -d)
mkdir -p "$work/bin" "$work/modules" "$work/dev" "$work/proc" "$work/root" "$work/top"
cp /bin/busybox "$work/bin/"
count=10
for module in virtio_pci 9pnet_virtio 9p overlay; do
    for file in $(modprobe --set-version "$version" --show-depends "$module" | sed -n 's/^insmod \([^ ]*\).*/\1/p'); do
        name=$(basename "$file")
        if ! ls "$work"/modules/*-"$name" >/dev/null 2>&1; then
            cp "$file" "$work/modules/$count-$name"
            count=$((count + 1))
        fi
    done
done
cp /opt/init.sh "$work/init"
chmod +x "$work/init"
(cd "$work" && find . | cpio --quiet --create --format=newc | gzip -1 >/boot/initrd)
rm -r "$work"
