"""The tasks of a pipeline's DAG, for the factory and for DAGs of one's own.

Airflow runs a teardown only when its setup has succeeded, and the launch may fail and leave a cluster: so
`preflight`, which costs nothing, is the setup, and everything that may need a cluster stands between the two.

A run is as red as its leaves. Airflow does not count a teardown as one; with on_failure_fail_dagrun it counts
nothing else, and a failed step would leave the run green. So the teardown is not counted, and a task without
work, `verdict`, comes after it and the last steps: it fails with any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kiln_airflow import callbacks, checks, commands, sensors
from kiln_airflow.operators import DeferredStepOperator, KilnOperator
from kiln_airflow.versions import Asset, EmptyOperator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kiln_airflow.settings import Pipeline

_LAUNCH_ACTIONS = "launch,provision,deploy"
# Not the pipeline's: a cluster must not go on costing money until the pool has a slot.
_POOL_OF_TERMINATE = "default_pool"


class Tasks:
    """Makes the tasks of one pipeline, in the DAG that is open (`with new_dag(pipeline):`)."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def sensors(self) -> list[Any]:
        """Return the tasks that wait for what the run needs: its previous run, other DAGs, data."""
        return sensors.of(self.pipeline)

    def preflight(self) -> Any:
        """Return the check of all that a run needs, made before anything costs money."""
        return self._kiln(checks.PREFLIGHT, commands.PREFLIGHT, checks.PREFLIGHT)

    def launch(self) -> Any:
        """Return launch, provision and deploy as one task: only all of them make a cluster for steps."""
        more = {"if_running": self.pipeline.dag.if_running}
        return self._kiln(checks.LAUNCH, commands.LAUNCH, _LAUNCH_ACTIONS, more)

    def step(self, name: str) -> Any:
        """Return the task of a step."""
        always = any(one.name == name and one.always for one in self.pipeline.steps)
        dag = self.pipeline.dag
        more = {
            "if_no_cluster": "fail" if always else dag.if_no_cluster,
            "if_running": dag.if_running,
            "if_complete": dag.if_complete,
        }
        rule = "all_done" if always else "all_success"
        if not dag.deferrable:
            return self._kiln(name, commands.STEP, name, more, trigger_rule=rule)
        waits = {"poll_interval_seconds": dag.poll_interval_seconds, "wait_seconds": dag.task_timeout_seconds}
        return self._kiln(
            name, commands.STEP, name, more, operator=DeferredStepOperator, trigger_rule=rule, **waits
        )

    def end(self, preflight: Any, last: Sequence[Any]) -> Any:
        """Put the end of the cluster after the `last` tasks, and the run's verdict; return that task."""
        terminate = self._kiln(
            checks.TERMINATE,
            commands.TERMINATE,
            checks.TERMINATE,
            retries=self.pipeline.dag.terminate_retries,
            pool=_POOL_OF_TERMINATE,
        )
        terminate.as_teardown(setups=preflight)
        # Only a run of which everything has succeeded has updated its assets.
        assets = [Asset(uri) for uri in self.pipeline.dag.assets]
        verdict = EmptyOperator(task_id=checks.VERDICT, outlets=assets)
        list(last) >> terminate
        [*last, terminate] >> verdict
        return verdict

    def _kiln(
        self,
        task_id: str,
        command: str,
        actions: str,
        more: dict[str, str] | None = None,
        *,
        operator: type[KilnOperator] = KilnOperator,
        **options: Any,
    ) -> Any:
        pipeline = self.pipeline
        return operator(
            task_id=task_id,
            bash_command=command,
            env=commands.environment(pipeline.root, pipeline.name, actions, **(more or {})),
            on_failure_callback=callbacks.failed,
            on_retry_callback=callbacks.retried,
            **options,
        )
