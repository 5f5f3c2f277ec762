#!/bin/bash
# outcome.sh - `make proof-outcome`: trains one recipe by Gantry and by PyTorch, ten seeds each, and compares the distances they end at.
# Idempotent: what is finished is kept under build/outcome and in tests/peers/outcome/results.json.
set -euo pipefail
V=build/venv
[ -x $V/bin/python ] || python3 -m venv $V
$V/bin/python -c 'import torch, numpy, scipy' 2>/dev/null || $V/bin/pip install -q torch numpy scipy
./gantry run tests/peers/outcome/dcgan_fashion.json --out build/outcome ${JOBS:+--jobs "$JOBS"}
$V/bin/python tests/peers/outcome.py build/outcome/gantry.db
