"""The RPM repository that nodes install from: real programs, repackaged from Debian for the nodes' dnf.

Nodes look like Amazon Linux and have its package tool, but run on Debian's libraries. So every package is
made from the Debian package, with explicit needs; what the base image has already is needed by nobody.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from string import Template

from emrbox.images import debian
from emrbox.images.cache import Recipe, digest
from emrbox.images.command import run
from emrbox.images.trees import lay_over

_FOLDER = Path(__file__).parent / "rpm"
_MERGED = ("bin", "sbin", "lib", "lib64")  # links into /usr in the base image
_NOT_NEEDED = ("doc", "man", "info", "locale", "lintian", "bash-completion", "doc-base", "bug")
_JIT = "usr/lib/postgresql/15/lib/llvmjit.so"  # PostgreSQL goes without when it is not there


def recipe(base: Recipe) -> Recipe:
    """Return the recipe of the repository for nodes of this base image."""
    return Recipe(
        kind="rpm",
        reason="what `dnf install` finds on a node, made from Debian packages",
        inputs=digest(Path(__file__), Path(debian.__file__), _FOLDER, base.inputs),
        build=lambda folder: _build(folder, base.path),
        proof="repodata/repomd.xml",
    )


@dataclass(frozen=True)
class Deb:
    """An unpacked Debian package, to be made into an RPM."""

    name: str  # the RPM's
    deb_name: str
    version: str
    release: str
    architecture: str
    summary: str
    requires: tuple[str, ...]
    file: Path


def _build(folder: Path, base: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="emrbox-rpm-") as scratch:
        files = _download(Path(scratch), base)
        debs = _read(files)
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            list(pool.map(lambda deb: _make_rpm(deb, Path(scratch) / "rpm" / deb.name, folder), debs))
    run(["createrepo_c", "--quiet", "--no-database", folder])


def _names() -> dict[str, str]:
    """Return Debian name -> RPM name of the packages in the table."""
    lines = (line.split() for line in (_FOLDER / "packages.txt").read_text().splitlines())
    return {words[1]: words[0] for words in lines if words and not words[0].startswith("#")}


def _download(scratch: Path, base: Path) -> list[Path]:
    """Fetch what the table's packages need beyond the base image, with the host's sources, as any user."""
    for name in ("state/lists/partial", "cache/archives/partial", "sources", "debs"):
        (scratch / name).mkdir(parents=True)
    with debian.host_sources() as sources:
        for source in sources:
            shutil.copy(source, scratch / "sources")
        apt = [
            "apt-get",
            "-qq",
            *("-o", f"Dir::State={scratch / 'state'}", "-o", f"Dir::Cache={scratch / 'cache'}"),
            *("-o", f"Dir::State::status={base / 'var/lib/dpkg/status'}"),
            *("-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={scratch / 'sources'}"),
            *("-o", "APT::Sandbox::User=", "-o", "Acquire::Languages=none"),
        ]
        run([*apt, "update"])
        plan = run([*apt, "--simulate", "--no-install-recommends", "install", *_names()])
        left_out = set(debian.packages(_FOLDER / "left_out.txt"))
        wanted = [name for name in re.findall(r"^Inst (\S+)", plan, re.MULTILINE) if name not in left_out]
        run([*apt, "download", *wanted], cwd=scratch / "debs")
    return sorted((scratch / "debs").glob("*.deb"))


def _read(files: list[Path]) -> list[Deb]:
    """Read the packages' own descriptions; needs outside of `files` are met by the base image."""
    wanted = ("Package", "Version", "Architecture", "Description", "Depends", "Pre-Depends")
    fields: dict[Path, dict[str, str]] = {}
    for file in files:
        text = run(["dpkg-deb", "-f", file, *wanted])
        fields[file] = dict(re.findall(r"^([A-Z][A-Za-z-]*): (.*)", text, re.MULTILINE))
    rpm_name = {
        entry["Package"]: _names().get(entry["Package"], entry["Package"]) for entry in fields.values()
    }
    debs = []
    for file, entry in fields.items():
        needs = f"{entry.get('Depends', '')},{entry.get('Pre-Depends', '')}"
        names = {need.split("(")[0].split(":")[0].strip() for need in re.split("[,|]", needs)}
        version, _, release = entry["Version"].rpartition(":")[2].rpartition("-")
        debs.append(
            Deb(
                name=rpm_name[entry["Package"]],
                deb_name=entry["Package"],
                version=version or release,
                release=release if version else "1",
                architecture="noarch" if entry["Architecture"] == "all" else "x86_64",
                summary=entry["Description"],
                requires=tuple(sorted(rpm_name[name] for name in names if name in rpm_name)),
                file=file,
            )
        )
    return debs


def _make_rpm(deb: Deb, scratch: Path, folder: Path) -> None:
    payload = scratch / "payload"
    payload.mkdir(parents=True)
    run(["dpkg-deb", "-x", deb.file, payload])
    extra = _FOLDER / "extra" / deb.name
    if (extra / "tree").is_dir():
        lay_over(extra / "tree", payload)
    _trim(payload)
    _link_postgresql(payload)
    found = [path for path in sorted(payload.rglob("*")) if path.is_symlink() or path.is_file()]
    spec = Template((_FOLDER / "package.spec.tmpl").read_text()).substitute(
        name=deb.name,
        version=deb.version.replace("-", "_"),
        release=deb.release,
        architecture=deb.architecture,
        summary=deb.summary,
        provides=f"Provides: {deb.deb_name}" if deb.deb_name != deb.name else "",
        requires="\n".join(f"Requires: {name}" for name in deb.requires),
        payload=payload,
        files="\n".join(f'"/{path.relative_to(payload)}"' for path in found),
        scripts=_script("%pre", extra / "pre.sh") + _script("%post", extra / "post.sh"),
    )
    file = scratch / "package.spec"
    file.write_text(spec)
    run(
        [
            *("rpmbuild", "--quiet", "-bb", "--target", deb.architecture),
            *("--define", f"_topdir {scratch}", "--define", f"_rpmdir {folder}"),
            *("--define", "_rpmfilename %{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}.rpm"),
            *("--define", f"_dbpath {scratch}/db", file),
        ]
    )


def _script(section: str, file: Path) -> str:
    """Return a scriptlet. By way of rpm's own Lua: a plain one needs a package that provides /bin/sh."""
    return f"{section} -p <lua>\nos.execute([==[\n{file.read_text()}]==])\n\n" if file.exists() else ""


def _trim(payload: Path) -> None:
    """Move what the base image has as links into /usr, and leave out what no node reads."""
    for name in _MERGED:
        if (payload / name).is_dir():
            shutil.copytree(payload / name, payload / "usr" / name, symlinks=True, dirs_exist_ok=True)
            shutil.rmtree(payload / name)
    for name in _NOT_NEEDED:
        shutil.rmtree(payload / "usr/share" / name, ignore_errors=True)
    (payload / _JIT).unlink(missing_ok=True)
    shutil.rmtree(payload / _JIT.removesuffix(".so"), ignore_errors=True)
    shutil.rmtree(payload / "usr/lib/postgresql/15/lib/bitcode", ignore_errors=True)


def _link_postgresql(payload: Path) -> None:
    """Amazon Linux has PostgreSQL's programs in /usr/bin."""
    programs = sorted((payload / "usr/lib/postgresql/15/bin").glob("*"))
    for program in programs:
        link = payload / "usr/bin" / program.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(f"/{program.relative_to(payload)}")
