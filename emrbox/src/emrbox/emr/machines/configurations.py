"""The files that configuration classifications become, as in EMR (docs/aws_facts.md 2.7)."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from emrbox.emr.default_configurations import (
    NODE_MEMORY_MB,
    NODE_VCORES,
    Properties,
    defaults,
    environments,
)
from emrbox.emr.releases import ENV_CLASSIFICATIONS, SILENT_CLASSIFICATIONS, XML_CLASSIFICATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

HADOOP_CONF = "/etc/hadoop/conf"
SPARK_CONF = "/etc/spark/conf"
EXECUTOR_OVERHEAD_MB = 384

HADOOP_LOG4J = """\
log4j.rootLogger=${hadoop.root.logger}
hadoop.root.logger=INFO,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c: %m%n
log4j.appender.DRFA=org.apache.log4j.FileAppender
log4j.appender.DRFA.file=${hadoop.log.dir}/${hadoop.log.file}
log4j.appender.DRFA.layout=org.apache.log4j.PatternLayout
log4j.appender.DRFA.layout.ConversionPattern=%d{ISO8601} %p %c (%t): %m%n
log4j.logger.org.apache.hadoop.util.NativeCodeLoader=ERROR
"""
SPARK_LOG4J2 = """\
rootLogger.level = info
rootLogger.appenderRef.stdout.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yy/MM/dd HH:mm:ss} %p %c{1}: %m%n%ex
logger.native.name = org.apache.hadoop.util.NativeCodeLoader
logger.native.level = error
"""


def files(master: str, core_count: int, *layers: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return path -> content of every configuration file of a node.

    `layers` are EMR configuration lists; later ones win (the cluster's, then the instance group's).
    """
    properties, variables = defaults(master, core_count), {k: dict(v) for k, v in environments().items()}
    for configuration in (c for layer in layers for c in layer):
        name = configuration["Classification"]
        if name in ENV_CLASSIFICATIONS:
            for nested in configuration.get("Configurations", []):
                variables[name].update(nested.get("Properties", {}))
        elif name == "spark":
            if configuration.get("Properties", {}).get("maximizeResourceAllocation", "").lower() == "true":
                properties["spark-defaults"].update(_whole_nodes(core_count))
        else:
            properties.setdefault(name, {}).update(configuration.get("Properties", {}))
    found = {f"{HADOOP_CONF}/{name}.xml": _xml(properties[name]) for name in sorted(XML_CLASSIFICATIONS)}
    found |= {
        path: _xml(properties[name]) for name, path in SILENT_CLASSIFICATIONS.items() if name in properties
    }
    for name in sorted(ENV_CLASSIFICATIONS):
        folder = SPARK_CONF if name == "spark-env" else HADOOP_CONF
        found[f"{folder}/{name}.sh"] = _exports(variables[name])
    found[f"{HADOOP_CONF}/log4j.properties"] = HADOOP_LOG4J + _lines(properties["hadoop-log4j"], "=")
    found[f"{SPARK_CONF}/spark-defaults.conf"] = _lines(properties["spark-defaults"], " ")
    found[f"{SPARK_CONF}/log4j2.properties"] = SPARK_LOG4J2 + _lines(properties["spark-log4j2"], " = ")
    found[f"{SPARK_CONF}/metrics.properties"] = _lines(properties["spark-metrics"], "=")
    return found


def _whole_nodes(core_count: int) -> Properties:
    """One executor a core node that takes all of it: maximizeResourceAllocation."""
    return {
        "spark.executor.instances": str(max(1, core_count)),
        "spark.executor.cores": str(NODE_VCORES),
        "spark.executor.memory": f"{(NODE_MEMORY_MB - EXECUTOR_OVERHEAD_MB) // 2}m",
        "spark.executor.memoryOverhead": f"{EXECUTOR_OVERHEAD_MB}m",
    }


def _xml(properties: Properties) -> str:
    entries = "".join(
        f"  <property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in sorted(properties.items())
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{entries}</configuration>\n'


def _exports(variables: Mapping[str, str]) -> str:
    """Quote values such that a variable in them still expands, as in EMR's own files."""
    lines = []
    for name, value in variables.items():
        if not re.fullmatch(r"\w+", name):
            continue
        plain = shlex.quote(value) if "$" not in value else '"' + value.replace('"', '\\"') + '"'
        lines.append(f"export {name}={plain}\n")
    return "".join(lines)


def _lines(properties: Properties, separator: str) -> str:
    return "".join(f"{name}{separator}{value}\n" for name, value in properties.items())
