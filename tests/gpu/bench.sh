#!/bin/bash
# bench.sh [CASE] - `make bench-gpu`: Gantry and PyTorch on this machine's GPU, see tests/bench/gpu/bench_gpu.py. Takes the Python that has PyTorch with CUDA: $PYTHON,
# else build/venv, else python3.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ -f plugins/backends/cuda.so ]; then B=$PWD; else B=$PWD/build/release; fi
for python in "${PYTHON:-}" build/venv/bin/python python3; do
  [ -n "$python" ] && "$python" -c 'import torch, numpy, os, sys; sys.exit(not torch.cuda.is_available() and "GANTRY_BENCH_DRY" not in os.environ)' 2>/dev/null && break
  python=
done
if [ -z "$python" ]; then
  echo "bench-gpu: no Python with NumPy and a PyTorch that sees a GPU: name one in PYTHON"
  exit 1
fi
exec "$python" tests/bench/gpu/bench_gpu.py "$B" "$@"
