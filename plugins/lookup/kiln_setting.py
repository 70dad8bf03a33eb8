# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible lookup: a setting of an environment, for its dynamic inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: kiln_setting
short_description: A variable as the control host of an environment has it
version_added: "0.2.0"
description:
  - Inventory plugins read their files before variables exist. This lookup reads
    C(inventory/<environment>/hosts.yml) and C(group_vars/) of this checkout as a playbook does, with C(-e),
    and resolves templates.
options:
  _terms:
    description: Names of variables.
    type: list
    elements: str
    required: true
  environment:
    description: Name of the environment.
    type: str
    required: true
author:
  - Kiln contributors (@kiln-contributors)
"""

EXAMPLES = r"""
# inventory/stage/aws_ec2.yml
plugin: amazon.aws.aws_ec2
profile: "{{ lookup('kiln_setting', 'aws_profile', environment='stage') }}"
"""

RETURN = r"""
_raw:
  description: The values.
  type: list
  elements: raw
"""

from functools import cache
from pathlib import Path
from typing import Any

from ansible.cli import CLI
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.lookup import LookupBase
from ansible.template import Templar
from ansible.vars.manager import VariableManager

CHECKOUT = Path(__file__).resolve().parents[2]


class LookupModule(LookupBase):  # type: ignore[misc]  # Ansible publishes no types
    """`lookup('kiln_setting', NAME, environment=ENVIRONMENT)`."""

    def run(self, terms: list[str], variables: Any = None, **kwargs: Any) -> list[Any]:
        """Return the values. Raises AnsibleLookupError for one that is not set or cannot be resolved."""
        self.set_options(var_options=variables, direct=kwargs)
        environment = str(self.get_option("environment"))
        return [_value(environment, str(term)) for term in terms]


def _value(environment: str, name: str) -> Any:
    variables = _variables(environment)
    if name not in variables:
        raise AnsibleLookupError(
            f"{name} is not set for {environment}: set it in group_vars/{environment}/main.yml"
        )
    try:
        return Templar(loader=DataLoader(), variables=variables).template(variables[name])
    except AnsibleError as error:
        raise AnsibleLookupError(f"{name} of {environment} cannot be resolved: {error}") from error


@cache
def _variables(environment: str) -> dict[str, Any]:
    """Return the control host's variables, as a play has them."""
    loader = DataLoader()
    # group_vars lies beside the playbooks.
    loader.set_basedir(str(CHECKOUT / "playbooks"))
    source = CHECKOUT / "inventory" / environment / "hosts.yml"
    inventory = InventoryManager(loader=loader, sources=[str(source)])
    # Ansible keeps the version that the first manager of a process is given, for all plays.
    version = CLI.version_info(gitinfo=False)
    manager = VariableManager(loader=loader, inventory=inventory, version_info=version)
    return dict(manager.get_vars(host=inventory.get_host("localhost")))
