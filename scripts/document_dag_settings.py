"""Write docs/dag_settings.md from the typed model of the key `dag`.

`--check` writes nothing and fails when the page is not what would be written.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, get_args

import generated_pages
import msgspec
from generated_pages import CHECKOUT

from kiln.settings.dag import Dag, WaitFor

if TYPE_CHECKING:
    from pathlib import Path

PAGE = CHECKOUT / "docs/dag_settings.md"
HEAD = """\
# The key `dag` of a pipeline

<!-- Written by scripts/document_dag_settings.py from src/kiln/settings/dag.py. -->

A pipeline whose `group_vars/<pipeline>.yml` has this key has a DAG in Airflow ([airflow.md](airflow.md)).
Its values are literals, no templates: Airflow reads them without Ansible. So are the `name`, `needs` and
`always` of its steps, which are tasks. `scripts/kiln` checks the same key.

```yaml
dag:
  environment: prod
  schedule: 0 5 * * *
  pool: emr
  wait_for:
    - object: s3://acme-telemetry/{date}/_SUCCESS
```
"""
_WAIT_FOR = """
## `wait_for`
Each row is an object in S3, or another DAG: then its run at the same logical date, or `hours_before` it.
Objects need Airflow's provider of Amazon.

"""


def page() -> str:
    """Return the whole page."""
    return f"{HEAD}\n{_table(Dag)}{_WAIT_FOR}{_table(WaitFor)}"


def _table(model: type[msgspec.Struct]) -> str:
    rows = ["| Key | Default | Meaning |", "|---|---|---|"]
    rows += [
        f"| `{one.name}` | {_default(one)} | {_meaning(one.type)} |" for one in msgspec.structs.fields(model)
    ]
    return "\n".join(rows) + "\n"


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = msgspec.to_builtins(field.default)
    return f"`{msgspec.json.encode(value).decode()}`"


def _meaning(kind: Any) -> str:
    """Return the description that an annotated type has, the outermost one."""
    described = [one.description for one in get_args(kind) if isinstance(one, msgspec.Meta)]
    return next(text for text in reversed(described) if text)


def pages() -> dict[Path, str]:
    """Return the page."""
    return {PAGE: page()}


if __name__ == "__main__":
    sys.exit(generated_pages.main(__doc__, pages))
