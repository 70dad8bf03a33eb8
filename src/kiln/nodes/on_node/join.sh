#!/usr/bin/env bash
# Bootstrap action: gives a node that joins a running cluster what Kiln has put on the other nodes.
# Arguments: the program in S3, its SHA-256, the folder in S3 with what the nodes have.
# Never fails: EMR would end the node, or the whole cluster. What is missing is reported before the next step.
set -uo pipefail
readonly program=$1 sha256=$2 items=$3
readonly python=/usr/bin/python3
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
mkdir "$folder/items"

join() {
  aws s3 cp --only-show-errors --recursive "$items" "$folder/items" || return
  if [[ -z $(ls -A "$folder/items") ]]; then
    echo "nothing has been put on the nodes of this cluster yet"
    return
  fi
  aws s3 cp --only-show-errors "$program" "$folder/program.json" || return
  echo "$sha256  $folder/program.json" | sha256sum --check --quiet || return
  sudo -n -H -- "$python" -IS - "$folder" <<'EOF'
import json, pathlib, sys, types
folder = pathlib.Path(sys.argv[1])
for name, text in json.loads((folder / "program.json").read_text()):
    sys.modules[name] = module = types.ModuleType(name)
    module.__path__ = []
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["kiln.nodes.on_node.joined"].join(folder / "items")
EOF
}

join || echo "this node has not got everything: it is set up before the next step begins"
exit 0
