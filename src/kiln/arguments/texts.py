"""What `--help` of a command says below its options."""

from __future__ import annotations

from kiln import phases

RUN = f"""\
ACTIONS is a comma list of {", ".join(phases.ACTIONS)}, and names of steps or step groups.
Without it the whole pipeline runs, and the cluster is terminated also when a step fails.

  kiln run model_building --env local
  kiln run model_building preflight --env stage
  kiln run model_building launch,provision,deploy --env stage --run-id nightly-7
  kiln run model_building sd --env stage --run-id nightly-7 --date 2026-11-20
  kiln run model_building terminate --env stage --run-id nightly-7
  kiln run model_building --env stage --if-running wait

Exit codes: docs/exit_codes.md."""

REAP = """\
Looks at the clusters and instances that carry Kiln's tags of the environment, and shows which of them are
expired, held too long, doubled, orphaned or idle, and why. What does not carry these tags is never touched.

  kiln reap --env stage          # a dry run
  kiln reap --env stage --yes    # ends them; exit 20 when AWS has not confirmed it

docs/operations/reaper.md has a timer for it."""

SSH = """\
A node is named master, core-2 (by address, from 1 on), by its address, or by its id.
What follows -- is the command; its exit code is this command's.

  kiln ssh model_building --env stage
  kiln ssh model_building --env stage --node core-1 -- df -h /mnt"""

TUNNEL = """\
With a pipeline: the pages of its run's cluster. Without: JupyterLab and the dashboard of the environment's
data-science instance, and the pages of the only live cluster. Open until Ctrl-C.

  kiln tunnel --env stage
  kiln tunnel model_building --env stage

docs/operations/data_science.md, docs/operations/held_cluster.md"""

VERIFY = """\
Connects to every running node, and compares it with what the run has put on its nodes: OS packages, files,
system settings, Python environment, release of the model repo, secrets. What -e said there is said here, too.
Changes nothing; exit 13 when a node differs.

  kiln verify model_building --env stage

docs/operations/nodes.md"""

NOTIFY = """\
For callbacks of Airflow. Sends nothing that was sent already; exit 10 when a message could not be sent.

  kiln notify model_building --env prod --run-id RUN --event failed --task cdd --try 2
  kiln notify model_building --env prod --event test     # a message to every row of kiln_notifications

docs/operations/notifications.md"""

RESUME = """\
A whole run with the id of an earlier one: on its cluster if that lives, else on a new one. Steps that are
complete with the same arguments, code, environment and inputs are not run again; which, and why, is printed.

  kiln resume model_building --env prod --run-id nightly-7

Exit codes: docs/exit_codes.md."""

CHECK = """\
Prints all that is wrong, a line each with file, line, key, value and fix (exit 2); else every setting, its
value and where it comes from. AWS is asked only with --account: then also what a launch needs is checked.

  kiln check model_building --env stage
  kiln check model_building --env stage --account"""

NEW = """\
Writes group_vars/NAME.yml, NAME's line in the inventories (--env: some of them; default: all), a test, and
with --requirements the file that its lock file is made of. Without --spark it asks, on a terminal.

  kiln new pipeline clicks --spark s3://code/clicks.py --core-count 3
  kiln new pipeline clicks --repo git@git.example:team/clicks.git --spark jobs/clicks.py
  kiln new pipeline clicks --spark s3://code/clicks.jar --class com.example.Clicks --env stage,prod

docs/operations/new_pipeline.md"""

IMPORT = """\
Reads a task definition with an emr_command and writes the files of a pipeline, as `kiln new` does. Fields
that Kiln has no setting for are named on stderr.

  kiln import sundial task.json --name clicks --env stage"""
