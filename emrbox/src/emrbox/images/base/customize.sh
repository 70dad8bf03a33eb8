#!/bin/bash
# mmdebstrap calls this with the new root. It turns a bare Debian into what emrbox's nodes start from.
# TREE = files to lay over the root, AWS_CLI = a folder with the unpacked AWS CLI.
set -euo pipefail
root=$1
in_root() { chroot "$root" "$@"; }

cp -r --no-preserve=ownership --preserve=mode,links "$TREE/." "$root/"
# Git keeps whether a file can be executed; the rest of its mode is the umask of who has cloned it.
(cd "$TREE" && find . ! -type l -print0) | (cd "$root" && xargs -0 chmod go+rX,go-w)
chmod 440 "$root/etc/sudoers.d/90-cloud-init-users"
mkdir -p "$root/opt/aws-cli"
cp -r --no-preserve=ownership "$AWS_CLI/." "$root/opt/aws-cli/"
in_root python3 -m compileall -q /opt/aws-cli || true # files for other Pythons do not compile

# Users as on an EMR node. A password field of "*" lets sshd accept keys without PAM; "!" does not.
add_user() { # name uid home groups
  in_root useradd --uid "$2" --user-group --groups "$4" --create-home --home-dir "$3" --shell /bin/bash --password '*' "$1"
}
in_root groupadd --gid 990 hdfsadmingroup
in_root groupadd --gid 991 wheel
add_user ec2-user 1000 /home/ec2-user wheel
add_user hadoop 1001 /home/hadoop hdfsadmingroup
add_user hdfs 992 /var/lib/hadoop-hdfs hadoop
add_user yarn 993 /var/lib/hadoop-yarn hadoop
add_user mapred 994 /var/lib/hadoop-mapreduce hadoop
add_user spark 995 /var/lib/spark hadoop
chmod 755 "$root/home/hadoop"
in_root usermod --password '*' root

# EMR keeps data and logs on the instance's data disk, /mnt, and links the logs into /var/log.
mkdir -p "$root"/mnt/{tmp,s3,hdfs,yarn,var/lib/{info,hadoop},var/log/hadoop/steps,var/log/{hadoop-hdfs,hadoop-yarn,hadoop-mapreduce,spark,bootstrap-actions}}
chmod 1777 "$root/mnt/tmp" "$root/mnt/s3"
in_root chown -R hadoop:hadoop /mnt/var/lib/hadoop /mnt/var/log/hadoop /mnt/var/log/bootstrap-actions
in_root chown hdfs:hadoop /mnt/hdfs /mnt/var/log/hadoop-hdfs
in_root chown yarn:hadoop /mnt/yarn /mnt/var/log/hadoop-yarn
in_root chown mapred:hadoop /mnt/var/log/hadoop-mapreduce
in_root chown spark:hadoop /mnt/var/log/spark
chmod 775 "$root"/mnt/var/log/{hadoop-hdfs,hadoop-yarn,hadoop-mapreduce,spark}
for name in hadoop hadoop-hdfs hadoop-yarn hadoop-mapreduce spark bootstrap-actions; do
  ln -s "/mnt/var/log/$name" "$root/var/log/$name"
done
ln -s java-17-openjdk-amd64 "$root/usr/lib/jvm/java-17-amazon-corretto.x86_64" # the path in EMR's own examples
ln -s java-17-openjdk-amd64 "$root/usr/lib/jvm/jre-17"
ln -s dnf "$root/usr/bin/yum"
mkdir -p "$root/opt/emr" "$root/var/lib/cloud/instances"

in_root rpm --initdb
# AL2023 lets pip install into the system's Python.
rm -f "$root"/usr/lib/python3*/EXTERNALLY-MANAGED
# Every node makes keys of its own; packages come from the box only; names come from files only.
rm -f "$root"/etc/ssh/ssh_host_*_key*
rm -rf "$root"/etc/apt/sources.list* "$root/var/lib/apt/lists" "$root/var/cache/apt" "$root/etc/debian_version"
mkdir -p "$root/var/lib/apt/lists" "$root/var/cache/apt/archives"
: >"$root/etc/resolv.conf"
: >"$root/etc/machine-id"
rm -f "$root/etc/hostname"
find "$root/var/log" -type f -delete
