"""A release of many files."""

from pyinfra import host
from pyinfra.operations import files

given = host.data.bench

files.directory(path=f"{given['bench_root']}/current", _sudo=True)
files.rsync(
    src=f"{given['bench_files']}/",
    dest=f"{given['bench_root']}/current/",
    flags=["-a", "--delete"],
    _sudo=True,
)
