# From new mount, pid, uts and ipc namespaces into a node: its own /proc, /dev, /run, /tmp, then its first process.
# $1 = the merged root, $2 = the host name. The mounts of the box and of the host are gone at the end.
set -e
root=$1
name=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin
export PATH
hostname "$name"
mount --bind "$root" "$root"
cd "$root"
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
mount -t tmpfs -o mode=755,nosuid,size=16m tmpfs dev
for device in null zero full random urandom tty; do
  : >dev/$device
  mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs dev/shm
mount -t mqueue mqueue dev/mqueue
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s /proc/self/fd/0 dev/stdin
ln -s /proc/self/fd/1 dev/stdout
ln -s /proc/self/fd/2 dev/stderr
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
pivot_root . .
umount -l .
cd /
exec env -i PATH="$PATH" HOME=/root LANG=C.UTF-8 TERM=linux container=emrbox \
  setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-mknod,-mac_admin /usr/lib/emrbox/init
