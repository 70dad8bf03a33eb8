# The verbs of this project; `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help setup test_setup local demo check test lint unit box clients clients_quick molecule molecule_quick end_to_end airflow airflow_tests airflow_matrix docs bench bench_nodes soak down clean
SHELL := /bin/bash
BIN := .venv/bin

help: ## list the verbs
	@awk -F ':.*## ' '/^[a-z_]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## what a fresh machine needs (both commands of the README call it)
	@scripts/setup

test_setup: ## the same, with what only the tests need: a browser, Packer and other people's clients
	@scripts/setup --tests

local: setup ## the local account of the demo without a run: go on by hand, with playbooks or scripts/kiln
	@$(BIN)/python examples/demo/local.py

airflow: ## a real Airflow 3 with the DAGs of this checkout, on the local AWS; Ctrl-C ends it
	@scripts/setup --airflow
	@$(BIN)/python examples/demo/local.py --date "$$(date -u -d '29 hours ago' +%F)" # the data of the last scheduled run, 05:00 UTC
	@$(BIN)/python examples/airflow/start_airflow.py

demo: setup ## the whole job for real on this machine: launch, provision, deploy, two models, terminate
	@$(BIN)/python examples/demo/demo.py

check: setup ## before each commit: lint, and the tests that start no Ansible: two minutes on two cores
	@scripts/lint
	@HOSTILE_EXAMPLES=20 $(BIN)/pytest -q -n 2 -m "not processes" tests/unit tests/layout emrbox/tests/unit

test: test_setup lint unit box clients_quick molecule_quick airflow_tests end_to_end ## everything that CI checks

lint: setup ## ruff, mypy, yamllint, ansible-lint, shellcheck
	@scripts/lint

unit: setup ## tests without a box, with all invalid and malicious values: minutes
	@$(BIN)/pytest -q -n 2 tests/unit tests/layout tests/permissions emrbox/tests/unit

box: test_setup ## tests of emrbox with real nodes, and of Kiln's verdicts on hollow clusters: minutes
	@$(BIN)/pytest -q -n 2 --dist loadfile -m "not slow" emrbox/tests/box tests/on_box

clients: test_setup ## other people's clients on emrbox, unchanged: the AWS CLI, Airflow, mrjob, boto3, amazon.aws, PyAthena, awswrangler, and moto's own tests of EMR
	@$(BIN)/pytest emrbox/tests/clients

clients_quick: test_setup ## the same on hollow clusters: two minutes
	@$(BIN)/pytest -q -n 2 -m "not slow" emrbox/tests/clients

molecule: setup ## the roles of nodes on bare instances of the local AWS [ROLE=emr_node] [SCENARIO=upgrade]: minutes
	@$(BIN)/python scripts/run_molecule.py --role "$(ROLE)" --scenario "$(SCENARIO)"

molecule_quick: setup ## the same, the default scenario of each role
	@$(BIN)/python scripts/run_molecule.py --scenario default

end_to_end: test_setup ## whole runs of the pipeline on a small data set, in two checkouts side by side: minutes
	@$(BIN)/python scripts/end_to_end.py -m "not slow"

airflow_tests: test_setup ## the DAGs in a real Airflow 3 with scheduler, LocalExecutor and PostgreSQL: under five minutes
	@$(BIN)/pytest -q -m "not slow" tests/airflow

airflow_matrix: test_setup ## the same in Airflow 2.11, the release that MWAA has
	@scripts/setup --airflow_2
	@$(BIN)/pytest -q tests/airflow --airflow 2 --backfill-days 10

soak: test_setup ## the long versions of tests: 10,000 hostile values at each boundary, 10,000 schedules, 30 killed drivers
	@HOSTILE_EXAMPLES=10000 $(BIN)/pytest -q -n 2 -m soak
	@$(BIN)/pytest -q -m slow emrbox/tests/box
	@$(BIN)/python scripts/run_molecule.py
	@$(BIN)/pytest -q tests/airflow --backfill-days 10
	@$(BIN)/pytest -q -m slow tests/end_to_end
	@HOSTILE_EXAMPLES=10000 $(BIN)/pytest -q tests/end_to_end/test_{daily_runs,daily_transform,diagnose,killed_drivers,lock_take_over,shared_cluster}.py

docs: setup ## write the generated references anew
	@scripts/generate_docs

bench: test_setup ## emrbox's performance targets beside moto; kiln's calls and delays beside Airflow's sensors, its DAGs beside hand-written ones: 15 minutes, on a quiet machine
	@$(BIN)/python emrbox/bench/measure_emrbox.py
	@$(BIN)/python bench/measure_watching.py
	@$(BIN)/python bench/measure_dags.py

bench_nodes: ## how nodes are set up, beside Ansible, Mitogen, pyinfra and rsync; writes docs/benchmarks: 25 minutes, on a quiet machine
	@scripts/setup --bench
	@$(BIN)/python bench/measure_nodes.py

down: ## end the local AWS with all that runs in it
	@$(BIN)/emrbox down

clean: down ## also remove what local runs have written in this checkout; vault passwords stay
	@$(BIN)/python scripts/clean.py .
