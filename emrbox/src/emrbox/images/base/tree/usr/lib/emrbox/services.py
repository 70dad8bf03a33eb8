"""A small service manager with the commands of systemctl(1): a node has no systemd, which needs cgroups.

It runs units of systemd.service(5) that lie in /etc/systemd/system: Type simple and exec, their user, folder,
environment and restarts. Each active unit has a process of this file as its parent, which holds a lock and
ends with it. What a unit asks for beyond _SETTINGS has no effect; `status` names it.
"""
# ruff: noqa: INP001  # a program on nodes, in no package

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import grp
import os
import pwd
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

_UNITS, _WANTED = Path("/etc/systemd/system"), Path("/etc/systemd/system/multi-user.target.wants")
_MANAGER = Path("/etc/systemd/system.conf")
_RUN, _LOGS = Path("/run/services"), Path("/var/log/services")
_SETTINGS = frozenset(
    {"Type", "User", "Group", "WorkingDirectory", "Environment", "EnvironmentFile", "ExecStart", "Restart"}
    | {"RestartSec", "TimeoutStopSec", "UMask", "NoNewPrivileges"}
)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
# systemd's own limit: a unit that was started five times within ten seconds has failed.
_STARTS, _STARTS_SECONDS = 5, 10.0
_LOOK_SECONDS = 0.05
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER in <linux/prctl.h>

Settings = dict[str, list[str]]


def main(words: list[str]) -> int:
    """Do what the command line says; return systemctl's exit code."""
    names = [word for word in words if not word.startswith("-")]
    if not names:
        sys.stderr.write("systemctl: name a command\n")
        return 1
    command, *units = names
    if command == "boot":
        # Debian's own links lead to units elsewhere.
        ours = [link.name for link in sorted(_WANTED.glob("*.service")) if (_UNITS / link.name).is_file()]
        return max(map(_start, ours), default=0)
    if command == "daemon-reload":  # units are read when they are started
        return 0
    if command == "list-unit-files":
        return _list(units)
    work = _COMMANDS.get(command)
    if work is None or not units:
        sys.stderr.write(f"systemctl: emrbox has no `{' '.join(words)}`\n")
        return 1
    code = 0
    for unit in units:
        name = unit if "." in unit else f"{unit}.service"
        code = max(code, work(name))
        if "--now" in words and command in _NOW:
            code = max(code, _NOW[command](name))
    return code


def _read(file: Path, section: str) -> Settings:
    """Return the settings of a section; an empty value forgets those before it, as in systemd.syntax(7)."""
    found: Settings = {}
    here = ""
    for line in file.read_text().replace("\\\n", " ").splitlines():
        text = line.strip()
        if text.startswith("["):
            here = text.strip("[]")
        elif here == section and "=" in text and text[0] not in "#;":
            key, _, value = text.partition("=")
            found[key.strip()] = [*found.get(key.strip(), []), value.strip()] if value.strip() else []
    return found


def _one(settings: Settings, key: str, default: str = "") -> str:
    return (settings.get(key) or [default])[-1]


def _seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def _holder(name: str) -> int | None:
    """Return the process that holds a unit's lock, None for a unit that is not active."""
    with contextlib.suppress(FileNotFoundError), (_RUN / name).open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def _start(name: str) -> int:
    if not (_UNITS / name).is_file():
        sys.stderr.write(f"Failed to start {name}: Unit {name} not found.\n")
        return 5
    settings = _read(_UNITS / name, "Service")
    if _one(settings, "Type", "simple") not in {"simple", "exec"} or len(settings.get("ExecStart", [])) != 1:
        sys.stderr.write(f"Failed to start {name}: emrbox runs one ExecStart of Type simple or exec.\n")
        return 1
    if _holder(name):
        return 0
    for folder in (_RUN, _LOGS):
        folder.mkdir(exist_ok=True)
    with (_LOGS / f"{name}.log").open("ab") as log:
        parent = subprocess.Popen(
            [sys.executable, __file__, "--supervise", name],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": _PATH, "LANG": "C.UTF-8"},
            cwd="/",
            start_new_session=True,
        )
    while parent.poll() is None and not _holder(name):
        time.sleep(_LOOK_SECONDS)
    return 0


def _stop(name: str) -> int:
    if holder := _holder(name):
        os.kill(holder, signal.SIGTERM)
        while _holder(name) == holder:
            time.sleep(_LOOK_SECONDS)
    return 0


def _restart(name: str) -> int:
    return _stop(name) or _start(name)


def _enable(name: str) -> int:
    if not (_UNITS / name).is_file():
        sys.stderr.write(f"Failed to enable unit: Unit {name} does not exist.\n")
        return 1
    _WANTED.mkdir(exist_ok=True)
    _disable(name)
    (_WANTED / name).symlink_to(_UNITS / name)
    return 0


def _disable(name: str) -> int:
    (_WANTED / name).unlink(missing_ok=True)
    return 0


def _is_active(name: str) -> int:
    active = _holder(name) is not None
    sys.stdout.write("active\n" if active else "inactive\n")
    return 0 if active else 3


def _is_enabled(name: str) -> int:
    if not (_UNITS / name).is_file():
        sys.stderr.write(f"Failed to get unit file state for {name}: No such file or directory\n")
        return 1
    enabled = (_WANTED / name).is_symlink()
    sys.stdout.write("enabled\n" if enabled else "disabled\n")
    return 0 if enabled else 1


def _show(name: str) -> int:
    loaded, holder = (_UNITS / name).is_file(), _holder(name)
    rows = {
        "Id": name,
        "LoadState": "loaded" if loaded else "not-found",
        "ActiveState": "active" if holder else "inactive",
        "SubState": "running" if holder else "dead",
        "FragmentPath": _UNITS / name if loaded else "",
        "UnitFileState": ("enabled" if (_WANTED / name).is_symlink() else "disabled") if loaded else "",
    }
    sys.stdout.writelines(f"{key}={value}\n" for key, value in rows.items())
    return 0


def _status(name: str) -> int:
    _show(name)
    if (_UNITS / name).is_file():
        without_effect = sorted(_read(_UNITS / name, "Service").keys() - _SETTINGS)
        sys.stdout.write(f"Without effect here: {', '.join(without_effect) or 'nothing'}\n")
        sys.stdout.write(f"Its output: {_LOGS / name}.log\n")
    return 0 if _holder(name) else 3


def _list(patterns: list[str]) -> int:
    for file in sorted(_UNITS.glob("*.service")):
        if not patterns or any(file.match(pattern) for pattern in patterns):
            sys.stdout.write(f"{file.name} {'enabled' if (_WANTED / file.name).exists() else 'disabled'}\n")
    return 0


_COMMANDS = {
    "start": _start,
    "stop": _stop,
    "restart": _restart,
    "enable": _enable,
    "disable": _disable,
    "is-active": _is_active,
    "is-enabled": _is_enabled,
    "show": _show,
    "status": _status,
}
_NOW = {"enable": _start, "disable": _stop}


def supervise(name: str) -> None:
    """Be the parent of a unit's process, and start it again as the unit says, until SIGTERM."""
    with (_RUN / name).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # another command has started it
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        # What the process leaves behind falls to this one, and ends with the unit.
        ctypes.CDLL(None).prctl(_SUBREAPER, 1)
        settings = _read(_UNITS / name, "Service")
        ended: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: ended.append(number))
        starts: list[float] = []
        while not ended:
            starts = [at for at in starts if time.monotonic() - at < _STARTS_SECONDS] + [time.monotonic()]
            if len(starts) > _STARTS:
                sys.stderr.write(f"{name}: Start request repeated too quickly.\n")
                return
            code = _run(settings, ended)
            if not (
                _one(settings, "Restart") == "always" or (_one(settings, "Restart") == "on-failure" and code)
            ):
                return
            _wait(_seconds(_one(settings, "RestartSec", "0.1")), ended)


def _run(settings: Settings, ended: list[int]) -> int:
    """Run the unit's process until it ends or the unit is stopped; return its exit code."""
    user = pwd.getpwnam(_one(settings, "User", "root"))
    group = grp.getgrnam(_one(settings, "Group")) if settings.get("Group") else grp.getgrgid(user.pw_gid)
    secure = ["setpriv", "--no-new-privs"] if _one(settings, "NoNewPrivileges") in {"yes", "true"} else []
    process = subprocess.Popen(
        [*secure, *shlex.split(_one(settings, "ExecStart"))],
        user=user.pw_uid,
        group=group.gr_gid,
        extra_groups=os.getgrouplist(user.pw_name, group.gr_gid),
        umask=int(_one(settings, "UMask", "0022"), 8),
        cwd=_one(settings, "WorkingDirectory", "/").replace("~", user.pw_dir),
        env=_environment(settings, user),
        start_new_session=True,
    )
    while process.poll() is None and not ended:
        _wait(_LOOK_SECONDS * 4, ended)
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_seconds(_one(settings, "TimeoutStopSec", "90")))
    process.poll()
    while left := _children():
        for child in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, 0)
    return process.returncode or 0


def _wait(seconds: float, ended: list[int]) -> None:
    ends_at = time.monotonic() + seconds
    while not ended and (left := ends_at - time.monotonic()) > 0:
        time.sleep(min(left, _LOOK_SECONDS * 4))


def _children() -> list[int]:
    return [int(word) for word in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]


def _environment(settings: Settings, user: pwd.struct_passwd) -> dict[str, str]:
    """Return the environment of a unit's process: the manager's, the user's, the unit's own."""
    words = [
        word
        for line in _read(_MANAGER, "Manager").get("DefaultEnvironment", [])
        for word in shlex.split(line)
    ]
    words += [f"PATH={_PATH}", "LANG=C.UTF-8", f"HOME={user.pw_dir}", f"USER={user.pw_name}"]
    words += [f"LOGNAME={user.pw_name}", f"SHELL={user.pw_shell}"]
    words += [word for line in settings.get("Environment", []) for word in shlex.split(line)]
    for file in settings.get("EnvironmentFile", []):
        if not file.startswith("-") or Path(file[1:]).exists():
            words += shlex.split(Path(file.removeprefix("-")).read_text(), comments=True)
    return dict(word.split("=", 1) for word in words)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--supervise"]:
        supervise(sys.argv[2])
    else:
        sys.exit(main(sys.argv[1:]))
