"""What a step, as root of its node, tries in order to get out of it. Each try is refused.

Run by an ordinary user, the same tests try a box without root.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from emr_account import BUCKET, Account

from emrbox.nodes.confinement import REFUSED_CALLS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.box

TEXT = "this stands in a file of the host"
# Name -> commands that end with 0 when they get out. SECRET is a file of the host, GATEWAY the box's address.
TRIES = {
    "a program of the kernel's": "echo '|/tmp/x' >/proc/sys/kernel/core_pattern",
    "a key of the kernel's": "echo h >/proc/sysrq-trigger",
    "a kernel setting by sysctl": "sysctl -w kernel.panic=1 && [ $(cat /proc/sys/kernel/panic) = 1 ]",
    "memory of the kernel": "head -c 1 /proc/kcore | grep -qa .",
    "messages of the kernel": "dmesg || timeout 2 head -c 1 /proc/kmsg | grep -qa . || cat /dev/kmsg",
    "keys of the kernel": "grep -q . /proc/keys",
    "remounting /proc/sys": "mount -o remount,rw /proc/sys",
    "taking the cover off /proc/sys": "umount /proc/sys",
    "taking the cover off /sys/firmware": "umount /sys/firmware",
    "another /proc": "mkdir -p /tmp/p; mount -t proc proc /tmp/p",
    "another /proc in a new user namespace": "unshare --user --map-root-user --pid --fork --mount-proc true",
    "a new mount namespace": "unshare --mount true",
    "a file system in memory": "mount -t tmpfs tmpfs /mnt/s3",
    "a bind mount": "mount --bind /etc /mnt/s3",
    "the host's disk": "mknod /tmp/disk b 254 0",
    "the machine's memory": "mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem",
    "devices": "cd /dev; ls sd* vd* nvme* mem kmem port loop* fuse kvm 2>/dev/null | grep -q .",
    "control groups": "mkdir -p /tmp/c; mount -t cgroup -o memory c /tmp/c || mount -t cgroup2 c /tmp/c",
    "a release agent": 'f=$(find / -xdev -name release_agent | head -1); [ -n "$f" ] && echo x >$f',
    "a module": "modprobe dummy || insmod /tmp/x.ko",
    "the clock": "date -s 2020-01-01",
    "the host name": "hostname harm",
    "the node's network": "ip link set eth0 mtu 1400",
    "another node's metadata": "ip route add 169.254.169.254/32 via GATEWAY dev eth0",
    "raw packets": "python3 -c 'import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'",
    "raw addresses": "python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)'",
    "more priority": "python3 -c 'import os; os.setpriority(os.PRIO_PROCESS, 0, -10)'",
    "never to be killed for memory": "echo -1000 >/proc/self/oom_score_adj",
    "the namespaces of another": "nsenter --target 1 --mount --net true",
    "the host's processes": "grep -qa 'emrbox[.]box' /proc/[0-9]*/cmdline",
    "the roots of processes": "cat /proc/[0-9]*/{root,cwd}/SECRET | grep -q stands",
    "what processes have open": "cat /proc/[0-9]*/fd/*/SECRET | grep -q stands",
    "the root above a root": """python3 -c "
import os
os.makedirs('/tmp/j', exist_ok=True)
above = os.open('/', 0)
os.chroot('/tmp/j')
os.fchdir(above)
for _ in range(64):
    os.chdir('..')
os.chroot('.')
open('SECRET')"
""",
    "a capability from a file": """cp /usr/bin/mount /tmp/m; python3 -c "
import os, struct
sys_admin = struct.pack('<5I', 0x02000001, 1 << 21, 0, 0, 0)
os.setxattr('/tmp/m', 'security.capability', sys_admin)"
/tmp/m -t tmpfs tmpfs /mnt/s3
""",
    "a capability of its own": "setpriv --inh-caps +sys_admin --ambient-caps +sys_admin true",
    "the box's own API": "curl -sf -m 9 -H 'Host: 127.0.0.1' http://GATEWAY/_emrbox/status",
    "the box's own API, changing": "curl -sf -m 9 -H 'Host: localhost' -H 'Content-Type: application/json' "
    "-H 'X-Forwarded-For: 127.0.0.1' -d '{\"clear\": true}' http://aws.emrbox.internal/_emrbox/faults",
    "the box's own API, by its port": "curl -sf -m 9 http://GATEWAY:PORT/_emrbox/status "
    "|| curl -sf -m 9 http://127.0.0.1:PORT/_emrbox/status",
    "moto's own API": "curl -sf -m 9 -X POST http://GATEWAY/moto-api/reset "
    "|| curl -sf -m 9 http://GATEWAY//moto-api/data.json",
}
# Runs them, then looks for files of the whole machine that can be written and for calls that are not refused.
RUNNER = """\
import ctypes, errno, json, os, stat, subprocess, sys

tries, calls = json.load(open(sys.argv[1]))
out = {}
for name, commands in tries.items():
    try:
        done = subprocess.run(["bash", "-c", commands], capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        continue
    if done.returncode == 0:
        out[name] = done.stdout.decode(errors="replace")[:200]
libc = ctypes.CDLL(None, use_errno=True)
for name, number in calls.items():
    if libc.syscall(number, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() != errno.EPERM:
        out["call " + name] = os.strerror(ctypes.get_errno())
for top in ("/proc", "/sys"):
    for folder, folders, names in os.walk(top):
        if folder == "/proc":
            folders[:] = [f for f in folders if not f.isdigit() and f not in ("self", "thread-self")]
        for name in names:
            path = os.path.join(folder, name)
            try:
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode) and mode & 0o222:
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                    out["write " + path] = ""
            except OSError:
                pass
print(json.dumps({"user": os.getuid(), "out": out}))
"""
# Writes down each program of another file system that can be opened for writing.
WATCH = """\
import glob, os
seen = open("/mnt/tmp/watching", "w", buffering=1)
root = os.stat("/").st_dev
while True:
    for exe in glob.glob("/proc/[0-9]*/exe"):
        try:
            if os.stat(exe).st_dev != root:
                os.close(os.open(exe, os.O_WRONLY))
                seen.write(os.readlink(exe) + "\\n")
        except OSError:
            pass
"""
HARMLESS = {
    f"write /proc/pressure/{name}" for name in ("cpu", "io", "irq", "memory")
}  # who waits, nothing else
# Settings of the node's own network.
OWN = "write /proc/sys/net/core/"
EVIL = """\
#!/bin/bash
grep CapEff /proc/self/status >>/mnt/tmp/evil-NAME
unshare --mount true && echo out >>/mnt/tmp/evil-NAME
exec /usr/bin/NAME.kept "$@"
"""
SWAP = """\
cd $(ls -td /mnt/var/log/hadoop/steps/*/ | head -1)
rm -f controller stderr syslog
for log in controller stderr; do ln -s SECRET $log; done
mkfifo syslog
ln -s / everything
ln -s SECRET link
mkfifo pipe
truncate -s 2T large
"""


@pytest.fixture(scope="module")
def account(box: Any) -> Account:
    return Account(box)


@pytest.fixture(scope="module")
def cluster(box: Any, account: Account) -> str:
    account.ec2.import_key_pair(KeyName="test", PublicKeyMaterial=(box.keys / "id.pub").read_bytes())
    groups = [{"InstanceRole": "MASTER", "InstanceType": "m5.xlarge", "InstanceCount": 1}]
    instances = {"InstanceGroups": groups, "KeepJobFlowAliveWhenNoSteps": True, "Ec2KeyName": "test"}
    cluster_id = account.launch(0, Instances=instances)
    account.until(cluster_id, "WAITING")
    return cluster_id


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(TEXT)
    return file


def step(account: Account, cluster: str, *args: str) -> tuple[str, str]:
    """Run a step to its end; returns its id and state."""
    found = account.run_step(cluster, *args)
    return str(found["Id"]), str(found["Status"]["State"])


def test_no_try_gets_out_of_the_node(box: Any, account: Account, cluster: str, secret: Path) -> None:
    port = box.environment["AWS_ENDPOINT_URL"].rpartition(":")[2]
    [instance] = account.instances(cluster)
    gateway = instance["PrivateIpAddress"].rpartition(".")[0].split(".")
    gateway = ".".join([*gateway[:2], str(int(gateway[2]) & ~3), "1"])
    words = {"SECRET": str(secret), "GATEWAY": gateway, "PORT": port}
    tries = {}
    for name, commands in TRIES.items():
        for word, value in words.items():
            commands = commands.replace(word, value)  # noqa: PLW2901  # step by step
        tries[name] = commands
    account.s3.put_object(Bucket=BUCKET, Key="runner.py", Body=RUNNER.encode())
    account.s3.put_object(Bucket=BUCKET, Key="tries.json", Body=json.dumps([tries, REFUSED_CALLS]).encode())
    fetch = f"for f in runner.py tries.json; do aws s3 cp --quiet s3://{BUCKET}/$f /tmp/$f; done"
    step_id, state = step(
        account, cluster, "bash", "-c", f"{fetch}; sudo python3 /tmp/runner.py /tmp/tries.json"
    )
    assert state == "COMPLETED", account.log(f"{cluster}/steps/{step_id}/stderr.gz")
    answer = json.loads(account.log(f"{cluster}/steps/{step_id}/stdout.gz"))
    assert answer["user"] == 0
    allowed = {name for name in answer["out"] if name in HARMLESS or name.startswith(OWN)}
    assert {name: said for name, said in answer["out"].items() if name not in allowed} == {}


def test_logs_that_a_step_swaps_lead_nowhere(account: Account, cluster: str, secret: Path) -> None:
    swap = SWAP.replace("SECRET", str(secret))
    step_id, state = step(account, cluster, "sudo", "bash", "-c", f"{swap}; exit 3")
    assert state == "FAILED"
    assert account.keys(f"{cluster}/steps/{step_id}/") == {"stdout.gz", "large.gz"}
    assert secret.read_text() == TEXT
    _, state = step(account, cluster, "bash", "-c", "rm /mnt/var/log/hadoop/steps/*/large")
    assert state == "COMPLETED"


def test_programs_of_the_node_are_executed_without_the_box_s_rights(account: Account, cluster: str) -> None:
    """What the box executes in a node may have been replaced by a program that asks for more."""
    for name in ("env", "setpriv"):
        script = EVIL.replace("NAME", name)
        keep = f"mv /usr/bin/{name} /usr/bin/{name}.kept; cat >/usr/bin/{name}; chmod 755 /usr/bin/{name}"
        _, state = step(account, cluster, "bash", "-c", f"sudo bash -c '{keep}' <<'END'\n{script}END")
        assert state == "COMPLETED"
        step_id, state = step(account, cluster, "cat", f"/mnt/tmp/evil-{name}")
        assert state == "COMPLETED"
        said = account.log(f"{cluster}/steps/{step_id}/stdout.gz")
        assert "CapEff" in said
        assert "out" not in said
        held = [int(line.split()[1], 16) for line in said.splitlines()]
        assert not any(capabilities & 1 << 21 for capabilities in held)  # CAP_SYS_ADMIN


def test_a_program_of_the_host_that_is_executed_by_a_link_cannot_be_changed(
    box: Any, account: Account, cluster: str
) -> None:
    """runc's CVE-2019-5736: the box executes a link to /proc/self/exe, and so a program of the host."""
    account.s3.put_object(Bucket=BUCKET, Key="watch.py", Body=WATCH.encode())
    _, state = step(account, cluster, "bash", "-c", f"aws s3 cp --quiet s3://{BUCKET}/watch.py /mnt/tmp/w.py")
    assert state == "COMPLETED"
    replace = (
        "mv /usr/bin/env /usr/bin/env.real; ln -s /proc/self/exe /usr/bin/env; "
        "setsid python3 /mnt/tmp/w.py >/dev/null 2>&1 & until [ -e /mnt/tmp/watching ]; do sleep 0.1; done"
    )
    _, state = step(account, cluster, "sudo", "bash", "-c", replace)
    assert state == "COMPLETED"
    for _ in range(5):
        _, state = step(account, cluster, "true")
        assert state == "FAILED"  # the host's Python has no such option
    written = box.ssh(account.instances(cluster)[0], "cat /mnt/tmp/watching")
    assert written == ""
