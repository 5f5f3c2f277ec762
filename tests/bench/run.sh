#!/bin/bash
# run.sh BUILD [CASE] - `make bench`, `make bench CASE=name`: Gantry against PyTorch (CPU), see bench.py; CASE=kernels: the backend's kernels alone, no
# PyTorch. The virtual environment is made under build/ on first use.
set -euo pipefail
if [ "${2:-}" = kernels ]; then GANTRY_BUILD=$1 exec "$1/bench/op_kernel"; fi
V=build/venv
[ -x $V/bin/python ] || python3 -m venv $V
$V/bin/python -c 'import torch, numpy' 2>/dev/null || $V/bin/pip install -q torch numpy
GANTRY_BUILD=$1 exec $V/bin/python tests/bench/bench.py "$@"
