#!/bin/bash
# run.sh [SEED...] - `make parity`, `make parity SEED=7`: Gantry's traces recomputed by PyTorch. Without a seed: every experiment of tests/peers/cases, 8 steps
# each; with seeds: an experiment drawn from each, which is not among them. GOLDEN=1 writes tests/golden/parity from the cases instead (3 steps). The virtual environment is made under build/ on first use.
set -euo pipefail
V=build/venv
[ -x $V/bin/python ] || python3 -m venv $V
$V/bin/python -c 'import torch, numpy' 2>/dev/null || $V/bin/pip install -q torch numpy
T=$(mktemp -d); trap 'rm -rf "$T"' EXIT
if [ -n "${1:-}" ]; then
  for seed in "$@"; do $V/bin/python tests/peers/draw.py "$seed" "$T"; done
  set -- "$T"/drawn_*.json
else
  set -- tests/peers/cases/*.json
fi
steps=8; [ -z "${GOLDEN:-}" ] || steps=3
for f in "$@"; do
  case ${GOLDEN:+$f} in */bf16_*) continue ;; esac # single numbers of theirs may fall on the other side of a rounding on another processor
  t=$T/$(basename "$f" .json).safetensors
  ./gantry trace "$f" --steps $steps -o "$t" >/dev/null
  [ -n "${GOLDEN:-}" ] || continue
  golden=tests/golden/parity/$(basename "$f" .json).tsv others=
  $V/bin/python tests/peers/parity.py --golden "$golden" "$t"
  for set in SSE41:Nehalem AVX2:Haswell AVX512_CORE:Zen; do # how far rounding alone carries, where other libraries' kernels are taken
    DNNL_MAX_CPU_ISA=${set%:*} OPENBLAS_CORETYPE=${set#*:} ./gantry trace "$f" --steps 3 -o "$t.$set" >/dev/null
    others="$others $t.$set"
  done
  $V/bin/python tests/peers/noise.py "$golden" "$t" $others
done
[ -n "${GOLDEN:-}" ] || $V/bin/python tests/peers/parity.py --f32 "${F32:-2}" "$T"/*.safetensors
