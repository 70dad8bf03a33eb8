"""The shape of EMR configurations, as the type Configuration of EMR's API has it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from kiln.settings.fields import Model, Scalar, Text, doc


class Configuration(Model, frozen=True, kw_only=True):
    """One configuration in the form of EMR's API; it may hold others, as `export` in spark-env."""

    classification: Annotated[Text, doc("What is configured, such as spark-defaults.")] = msgspec.field(
        name="Classification"
    )
    properties: Annotated[dict[str, Scalar], doc("Name to value.")] = msgspec.field(
        name="Properties", default_factory=dict
    )
    configurations: Annotated[tuple[Configuration, ...], doc("Configurations within it.")] = msgspec.field(
        name="Configurations", default=()
    )
