"""The Python environment from its archive."""

from pyinfra import host
from pyinfra.facts.files import File
from pyinfra.operations import server

given = host.data.bench
path = given["bench_environment_path"]
folder = path.rpartition("/")[0]

if not host.get_fact(File, path=f"{path}/.kiln-complete"):
    server.shell(
        commands=[
            f"mkdir -p {folder}",
            f"aws s3 cp --no-progress {given['bench_archive']} {folder}/archive",
            f"tar --zstd -x -p -C {folder} -f {folder}/archive",
            f"rm {folder}/archive",
        ],
        _sudo=True,
    )
