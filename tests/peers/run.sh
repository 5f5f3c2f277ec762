#!/bin/bash
# run.sh [SEED] - `make parity`: Gantry's traces recomputed by PyTorch. Without a seed: every experiment of tests/peers/cases, 8 steps each; with one: an
# experiment drawn from it that is not among them. The virtual environment is made under build/ on first use.
set -euo pipefail
V=build/venv
[ -x $V/bin/python ] || python3 -m venv $V
$V/bin/python -c 'import torch, numpy' 2>/dev/null || $V/bin/pip install -q torch numpy
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
if [ -n "${1:-}" ]; then
  $V/bin/python tests/peers/draw.py "$1" "$T"
  set -- "$T"/drawn_*.json
else
  set -- tests/peers/cases/*.json
fi
for f in "$@"; do
  ./gantry trace "$f" --steps 8 -o "$T/$(basename "$f" .json).safetensors" >/dev/null
done
$V/bin/python tests/peers/parity.py "$T"/*.safetensors
