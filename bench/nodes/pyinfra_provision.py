"""OS packages, a release of a few files, the link to it."""

from pyinfra import host
from pyinfra.operations import dnf, files

given = host.data.bench
release = f"{given['bench_root']}/releases/{given['bench_commit']}"

dnf.packages(packages=given["bench_packages"], _sudo=True)
files.directory(path=f"{given['bench_root']}/releases", _sudo=True)
files.sync(src=given["bench_files"], dest=release, _sudo=True)
files.link(path=f"{given['bench_root']}/current", target=f"releases/{given['bench_commit']}", _sudo=True)
