"""The Python environment from its lock file."""

from pyinfra import host
from pyinfra.operations import pip

given = host.data.bench

pip.packages(
    requirements=given["bench_requirements"],
    virtualenv=f"{given['bench_root']}/env",
    virtualenv_kwargs={"venv": True, "python": given["bench_python"]},
    extra_install_args="--require-hashes --only-binary :all:",
    _sudo=True,
)
