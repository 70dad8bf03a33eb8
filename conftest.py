"""What all tests share: they do not depend on who runs them, in which shell, or on the machine's speed."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# Neither an account nor a setting of the caller's shell may steer a test, and all that it calls is local.
for name in list(os.environ):
    if name.startswith(("AWS_", "ANSIBLE_", "EMRBOX_", "KILN_")) or name.lower().endswith("_proxy"):
        del os.environ[name]
os.environ |= {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
# Ansible refuses to work in a locale without UTF-8; its command line is used as it is.
os.environ["LC_ALL"] = "C.UTF-8"

# The same examples each time, however long the machine takes for them: what fails on CI fails here too.
# `pytest --hypothesis-profile=default` looks for new ones.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")
