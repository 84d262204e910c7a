import { join } from 'node:path';

/**
 * What runs inside the test guest. The kernel starts `init`, which loads what it needs, gives the VEE its disk and its
 * environment, runs its command, and switches the machine off when that has ended.
 *
 * It finds under the firmware's `opt/org.sluice` (see `../context.ts`) one script that sets the environment and one
 * that becomes the command. A counter that only memory has goes on at `/run/counter`, ten times a second.
 */
export const MODULES = [
  'virtio/virtio_ring',
  'virtio/virtio',
  'virtio/virtio_pci_modern_dev',
  'virtio/virtio_pci_legacy_dev',
  'virtio/virtio_pci',
  'virtio/virtio_balloon',
  'char/virtio_console',
  'block/virtio_blk',
  'firmware/qemu_fw_cfg',
  'acpi/button',
  'input/evdev',
  '../net/core/failover',
  'net/net_failover',
  'net/virtio_net',
  'cdrom/cdrom',
  '../fs/isofs/isofs',
].map((name) => join('kernel/drivers', `${name}.ko`));

export const INIT = `#!/bin/sh
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=1777 tmp /tmp
for module in $(cat /modules/order); do insmod /modules/$module; done

context=/sys/firmware/qemu_fw_cfg/by_name/opt/org.sluice
cp $context/environment/raw /run/environment 2>/dev/null || : > /run/environment
cp $context/command/raw /run/command 2>/dev/null || echo 'exec sleep 2147483647' > /run/command
hostname "$(cat $context/hostname/raw 2>/dev/null || echo sluice-guest)"

ip link set lo up
[ -f $context/network/raw ] && sh $context/network/raw

# A disk gets a file system only when nothing at all is on it.
if [ -b /dev/vda ] && [ "$(cat /sys/block/vda/serial)" != sluice-cidata ]; then
  if [ "$(head -c 1048576 /dev/vda | tr -d '\\0' | wc -c)" = 0 ]; then mke2fs -F /dev/vda >/dev/null 2>&1; fi
  mount -t ext4 -o noatime /dev/vda /data || echo "sluice-guest: the disk can't be mounted"
fi
if [ -e $context/files/raw ]; then sh $context/files/raw; fi
cd /data

(n=0; while :; do n=$((n + 1)); echo $n > /run/counter; sleep 0.1; done) &

for port in /sys/class/virtio-ports/*; do
  if [ "$(cat $port/name 2>/dev/null)" = org.qemu.guest_agent.0 ]; then
    sh -c '. /run/environment; exec qemu-ga -m virtio-serial -p "$1" -t /run -f /run/qga.pid' qga /dev/\${port##*/} 2>/run/qga.log &
  fi
done
acpid -d -c /etc/acpi -l /run/acpid.log >/dev/null 2>&1 &

child=
trap '[ -n "$child" ] && kill -TERM $child 2>/dev/null' TERM
echo "sluice-guest: $(hostname) runs"
sh -c '. /run/environment; . /run/command' < /dev/null > /dev/console 2>&1 &
child=$!
while :; do
  wait $child
  code=$?
  kill -0 $child 2>/dev/null || break
done
echo "sluice-guest: the command ended with $code"
cd /
sync
umount /data 2>/dev/null
poweroff -f
`;

/** The guest agent and the power button end the machine by this: the command gets its signal, and `init` does the rest. */
export const SHUTDOWN = `#!/bin/sh
kill -TERM 1
`;
