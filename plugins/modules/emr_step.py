#!/usr/bin/python
# Copyright: Kiln contributors
# Apache License 2.0 (see LICENSE)
"""Ansible module: run steps on an EMR cluster, each once a run."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: emr_step
short_description: Run steps on an Amazon EMR cluster
version_added: "0.1.0"
description:
  - Adds steps to a cluster when what they need has ended, side by side up to the cluster's step concurrency,
    and waits for them. When none says what it needs they run in order. After a step that failed only those
    that are C(always) begin.
  - A step that the run's ledger knows is not added again. One that is still active is waited for, one that is
    complete is left alone, one that failed or was cancelled is added again.
  - Fails when a step that is active or complete was added with another identity. The identity is jar and
    arguments, the model repo's commit and the Python environment on the nodes, and the inputs.
options:
  state:
    description: V(present) means that the steps have been added to the cluster.
    type: str
    choices: [present]
    default: present
  cluster_id:
    description: The cluster.
    type: str
    required: true
  pipeline:
    description: Name of the pipeline, for a cluster that its runs share.
    type: str
  environment:
    description: Name of the environment, for a cluster that runs share.
    type: str
  run_id:
    description: Run whose steps these are, for a cluster that runs share. The name of any other says it.
    type: str
  steps:
    description: The steps, in order.
    type: list
    elements: dict
    required: true
    suboptions:
      # Written by scripts/document_options.py from src/kiln/settings/model.py:
      name:
        description: Name of the step, unique in its pipeline.
        type: str
        required: true
      spark:
        description: A Spark job. A step has exactly one kind.
        type: dict
        suboptions:
          script:
            description: 'Python or R script: a path in the model repo, or s3://….'
            type: str
            default: ""
          jar:
            description: 'Jar of the job: a path in the model repo, or s3://….'
            type: str
            default: ""
          class:
            description: Main class in the jar.
            type: str
            default: ""
          deploy_mode:
            description: 'Where the driver runs: in a container, or on the master.'
            type: str
            choices: [cluster, client]
            default: cluster
          conf:
            description: Spark properties of this job, name to value.
            type: dict
            default: {}
          py_files:
            description: >-
              Python files, zip archives or folders that the job imports; `.` is the model repo itself.
            type: list
            elements: str
            default: []
          packages:
            description: >-
              Maven coordinates that Spark loads when the job starts; needs spark_packages_allowed.
            type: list
            elements: str
            default: []
          options:
            description: >-
              Options of the job, name to value: `--name value`; true gives `--name`, false nothing.
            type: dict
            default: {}
          args:
            description: Further arguments of the job, after its options.
            type: list
            elements: str
            default: []
      command:
        description: A command with its arguments, run on the master without a shell.
        type: list
        elements: str
      script:
        description: An executable script that runs on the master.
        type: dict
        suboptions:
          path:
            description: 'The script: a path in the model repo, or s3://….'
            type: str
            required: true
          args:
            description: 'Its arguments. Never a secret: the API shows them to everybody who may read.'
            type: list
            elements: str
            default: []
      streaming:
        description: A Hadoop Streaming job.
        type: dict
        suboptions:
          mapper:
            description: Command that each mapper runs.
            type: str
            required: true
          reducer:
            description: Command that each reducer runs; NONE for a job without reducers.
            type: str
            default: ""
          combiner:
            description: Command that combines what a mapper writes.
            type: str
            default: ""
          input:
            description: What it reads, s3://… or hdfs:///….
            type: list
            elements: str
            required: true
          output:
            description: The folder that it makes, s3://… or hdfs:///….
            type: str
            required: true
          files:
            description: Files that mappers and reducers find beside them, s3://….
            type: list
            elements: str
            default: []
          conf:
            description: Hadoop properties of this job, name to value.
            type: dict
            default: {}
          args:
            description: Further arguments of hadoop-streaming.
            type: list
            elements: str
            default: []
      check_data:
        description: 'A check of Parquet files: columns, nulls, numbers of rows.'
        type: dict
        suboptions:
          path:
            description: The folder with the files, s3://…/date=2026-11-20/ or hdfs:///….
            type: str
            required: true
          columns:
            description: >-
              All columns with their types, as in `bigint`; a missing, another or a further one fails.
            type: dict
            default: {}
          null_share:
            description: >-
              Highest share of nulls, 0 to 1, of each column named; `*`: of every other column.
            type: dict
            default: {}
          least_rows:
            description: Lowest number of rows.
            type: int
            default: 1
          most_rows:
            description: Highest number of rows; none without it.
            type: int
          days_before:
            description: >-
              With how many days before, in folders beside …/date=YYYY-MM-DD, the rows are compared.
            type: int
            default: 0
          row_change:
            description: By which share the rows may differ from the mean of those days.
            type: float
            default: 0.5
          source:
            description: >-
              What the files were made of: it must have as many rows as they have, with `set_aside`.
            type: str
            default: ""
          source_format:
            description: Format of the source.
            type: str
            choices: [csv, json, parquet]
            default: csv
          source_options:
            description: Options of Spark's reader of the source; without any CSV has a header.
            type: dict
            default: {header: true}
          set_aside:
            description: Folder of text files with the rows that the job has set aside, a row a line.
            type: str
            default: ""
          report:
            description: Folder for the report, metrics.json; it becomes part of the run's result.
            type: str
          conf:
            description: Spark properties of the check, name to value.
            type: dict
            default: {}
      jar:
        description: Any other jar, as EMR takes it, such as command-runner.jar.
        type: str
        default: ""
      args:
        description: >-
          Arguments of `jar`. Never a secret: the API shows them to everybody who may read.
        type: list
        elements: str
        default: []
      group:
        description: Name of the group it belongs to, for the command line.
        type: str
        default: ""
      action_on_failure:
        description: What EMR does when the step fails.
        type: str
        choices: [CONTINUE, CANCEL_AND_WAIT, TERMINATE_CLUSTER]
        default: CONTINUE
      timeout_seconds:
        description: Deadline of this step; without it the one of all steps.
        type: int
      needs:
        description: >-
          Steps that must have ended well before it begins. When no step of the pipeline names any,
          each needs the one before it; otherwise a step without `needs` begins at once.
        type: list
        elements: str
      optional:
        description: Its failure does not fail the run, nor the steps that need it.
        type: bool
        default: false
      always:
        description: >-
          A clean-up step: begins when all others have ended, also when one has failed. It may only
          need other clean-up steps, whatever their end.
        type: bool
        default: false
      repeatable:
        description: >-
          It may run twice: it is added again when nobody knows whether an addition had an effect.
        type: bool
        default: false
      durable:
        description: >-
          What it leaves outlives the cluster (in S3, say): once complete, no new cluster runs it
          again.
        type: bool
        default: false
      inputs:
        description: >-
          S3 prefixes that it reads. A complete step is not taken for done when they have changed.
        type: list
        elements: str
        default: []
      outputs:
        description: >-
          S3 prefixes that the step fills. Their sizes and any metrics.json there go into the result.
        type: list
        elements: str
        default: []
      tables:
        description: >-
          Tables of the Glue Data Catalog, for Athena and Spark, registered when the step has ended
          well.
        type: list
        elements: dict
        default: []
        suboptions:
          database:
            description: Database of the Glue Data Catalog; it is made when it is missing.
            type: str
            required: true
          name:
            description: Name of the table.
            type: str
            required: true
          path:
            description: >-
              What the step has filled: the folder of the table, or of a partition of it,
              s3://bucket/table/date=2026-11-20/.
            type: str
            required: true
          columns:
            description: Columns without those of the partition, name to type, as in `bigint`.
            type: dict
            required: true
          partitions:
            description: >-
              Keys of the partitions below `path`, name to type: each folder name=value with files in it
              becomes one.
            type: dict
            default: {}
      # End of what scripts/document_options.py writes.
  model_repo_name:
    description: >-
      Name of the model repo's folder on the nodes: relative paths in steps are files of its active release.
      Empty: there is none.
    type: str
    default: ""
  spark_packages_allowed:
    description: Whether Spark jobs may load packages from Maven repositories when they start.
    type: bool
    default: false
  again:
    description: Run steps again that are complete, also those that were added with another identity.
    type: bool
    default: false
  wait:
    description: >-
      Wait for the end of the steps. Without it they are all added at once; steps that need each other are
      then refused on a cluster that runs steps side by side.
    type: bool
    default: true
  timeout_seconds:
    description: Deadline of one step. A step that is late is cancelled.
    type: int
    default: 14400
    aliases: [timeout]
attributes:
  check_mode:
    support: full
    description: Reports which steps would be added.
  diff_mode:
    support: full
    description: Shows the steps that are added.
extends_documentation_fragment:
  - kiln.account
  - kiln.ledger
  - kiln.ssh
  - kiln.waiting
"""

EXAMPLES = r"""
- name: Build the sender models
  emr_step:
    cluster_id: j-2ABCDEFGHIJKL
    state_uri: s3://kiln-local-state/kiln
    region: us-east-1
    model_repo_name: model_repo
    steps:
      - name: sd
        spark: {script: jobs/sd.py, options: {date: "2026-11-20"}}
"""

RETURN = r"""
steps:
  description: The steps, in order.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Step id; empty in check mode for one that would be added.
      type: str
      sample: s-1ABCDEFGHIJKL
    name:
      description: Its name.
      type: str
    state:
      description: EMR's state.
      type: str
      sample: COMPLETED
    failure:
      description: What EMR reports about a failure; empty without one.
      type: str
message:
  description: What is wrong, in one line. C(msg) has it too, with RV(details) and RV(fix) below.
  returned: failure
  type: str
fix:
  description: What to change or type; empty when nothing is known.
  returned: failure
  type: str
details:
  description: Further lines, such as the clusters that were found.
  returned: failure
  type: list
  elements: str
exit_code:
  description: The exit code that scripts/kiln gives for this failure.
  returned: failure
  type: int
failure_class:
  description: The class of the failure, see docs/failure_classes.md.
  returned: failure
  type: str
cluster_id:
  description: A cluster that had been launched before the failure; empty without one.
  returned: failure
  type: str
"""

from ansible.module_utils.basic import AnsibleModule

from kiln.ansible_modules import answer, options, step


def main() -> None:
    """Call kiln with the options."""
    module = AnsibleModule(argument_spec=options.STEP, supports_check_mode=True)
    answer.answer(module, step.work)


if __name__ == "__main__":
    main()
