"""One whole run on a hollow cluster, with kiln's own code but for the playbooks that need nodes."""

from __future__ import annotations

import os
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from unittest import mock

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests/helpers"))

from fakes import FakePlaybooks, Silence, shape

from kiln.aws.boto import Boto
from kiln.aws.context import Context
from kiln.clock import SystemClock
from kiln.emr import waiting
from kiln.identity import Identity
from kiln.ledger.store import Ledger
from kiln.runs import execution, selection
from kiln.runs.limits import Limits
from kiln.runs.step_work import Work
from kiln.settings.model import StepSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from emrbox.pytest_plugin import Account

T = TypeVar("T")

STEPS = tuple(StepSettings(name=name, jar="command-runner.jar", args=("true",)) for name in ("sd", "cdd"))
# What EMR is asked about nodes that EC2 does not know, as those of hollow clusters.
NODE_CALLS = {"ListInstanceGroups", "ListInstances"}
LIMITS = Limits(terminate_seconds=300, interval_seconds=2, run_seconds=600, step_seconds=300)


def whole_run(account: Account) -> tuple[Counter[str], Counter[str]]:
    """Make a run; return EMR's calls by operation: those that it always makes, and those of its waits."""
    account.client("s3").create_bucket(Bucket="state")
    account.script_step(seconds=5)
    counted = Counted()
    with counted.calls(), mock.patch.dict(os.environ, account.environment):
        result = _run(Boto(region=account.region))
    assert result.exit_code == 0, result
    # Nodes are looked at before each step, too: it belongs to watching wherever it happens.
    for name in NODE_CALLS & counted.fixed.keys():
        counted.watching[name] += counted.fixed.pop(name)
    return counted.fixed, counted.watching


class Counted:
    """Counts calls of EMR, those of polls apart."""

    def __init__(self) -> None:
        self.fixed: Counter[str] = Counter()
        self.watching: Counter[str] = Counter()
        self._in_poll = False

    @contextmanager
    def calls(self) -> Iterator[None]:
        """Count while the block runs."""
        call, pages, until = Boto.call, Boto.pages, waiting.until

        def count(original: Callable[..., Any]) -> Callable[..., Any]:
            def counting(boto: Boto, client: Any, operation: str, **parameters: Any) -> Any:
                if client.meta.service_model.service_name == "emr":
                    counter = self.watching if self._in_poll else self.fixed
                    counter[client.meta.method_to_api_mapping[operation]] += 1
                return original(boto, client, operation, **parameters)

            return counting

        def counted_until(
            context: Context, poll: Callable[[Context], Any], *rest: Any, **options: Any
        ) -> Any:
            return until(context, self._polling(poll), *rest, **options)

        with (
            mock.patch.object(Boto, "call", count(call)),
            mock.patch.object(Boto, "pages", count(pages)),
            mock.patch.object(waiting, "until", counted_until),
            mock.patch.object(Work, "poll", self._polling(Work.poll)),
        ):
            yield

    def _polling(self, poll: Callable[..., T]) -> Callable[..., T]:
        def counted(*arguments: Any) -> T:
            self._in_poll = True
            try:
                return poll(*arguments)
            finally:
                self._in_poll = False

        return counted


def _run(aws: Boto) -> Any:
    context = Context(aws=aws, clock=SystemClock())
    identity = Identity(environment="local", pipeline="bench", run_id="r1", owner="ops")
    ledger = Ledger(context.effects, context.clock, "s3://state/kiln", identity)
    hollow = shape(service_role="EMR_DefaultRole", instance_profile="EMR_EC2_DefaultRole", key_pair="")
    return execution.Execution(
        context=context,
        identity=identity,
        limits=LIMITS,
        selection=selection.make(selection.actions(None), STEPS),
        ledger=ledger,
        playbooks=FakePlaybooks(context, identity, ledger, hollow),
        reporter=Silence(),
        arguments=[],
        explain=lambda *_: None,
    ).run()
