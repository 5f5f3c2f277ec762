#!/bin/bash
# unverified.sh [--check] - writes tests/bench/results/gpu-unverified.md: every way through the CUDA backend that no GPU has executed yet, by what the files
# tests/bench/results/gpu-*.txt say was seen. --check: says whether the file is up to date.
set -u
export LC_ALL=C
cd "$(dirname "$0")/../.." || exit 1
R=tests/bench/results
all() {
  grep -h -m1 '^/\*' plugins/backends/cuda/kernels/*.cu | sed -e 's|^/\* |kernel |' -e 's/[:.*].*//' -e 's/ *$//'
  printf 'kernel %s\n' map "map by four" "several maps in one launch" "reduction, second half"
  for along in reduced kept; do
    for four in "" ", by four"; do
      [ "$along$four" = "kept, by four" ] && continue
      for half in "" ", first half"; do echo "kernel reduction, lanes along what is $along$four$half"; done
    done
  done
  for op in CONV CONV_DGRAD CONV_WGRAD; do
    for type in f32 tf32 bf16 f64; do
      for axes in "1 axes" "2 axes" "2 axes, groups" "3 axes"; do echo "cuDNN $op $type, $axes"; done
    done
  done
  printf '%s\n' "cuBLASLt matrix product f32 or f64" "cuBLASLt matrix product tf32" "cuBLASLt matrix product bf16" "a step replayed as a graph" "engines of cuDNN measured and frozen" "samples read from main memory" "logged values that come down while steps run"
  for case in tests/bench/gpu/*.json; do [ -f "$case" ] && echo "bench-gpu $(basename "$case" .json)"; done
  printf '%s\n' "bench-gpu packed grid" "compute-sanitizer" "runs that share a GPU through MPS"
}
seen=$(mktemp)
trap 'rm -f "$seen" "$seen.md"' EXIT
cat "$R"/gpu-*.txt 2>/dev/null | sort -u >"$seen"
for f in "$R"/gpu/*.json; do [ -f "$f" ] && echo "bench-gpu $(basename "$f" .json)" >>"$seen"; done
grep -qs '"mps": [0-9]' "$R/gpu/packed grid.json" && echo "runs that share a GPU through MPS" >>"$seen"
left=$(all | sort -u | grep -vxFf "$seen")
total=$(all | sort -u | wc -l)
{
  echo "# What no GPU has executed yet"
  echo
  echo "Made by tests/gpu/unverified.sh out of tests/bench/results/gpu-*.txt, which \`make check-gpu\` writes on a machine with a GPU. All of it has been compiled for one by NVRTC (kernels) or described to"
  echo "the real cuDNN and cuBLASLt (descriptors), and has run under the test double."
  echo
  if ls "$R"/gpu-*.txt >/dev/null 2>&1; then sed -n 's/^device /Seen by: /p' "$R"/gpu-*.txt; else echo "Seen by: none so far."; fi
  echo
  echo "$(echo "$left" | grep -c .) of $total:"
  echo
  echo "$left" | sed 's/^/- /'
} >"$seen.md"
if [ "${1:-}" = --check ]; then cmp -s "$seen.md" "$R/gpu-unverified.md" || { echo "$R/gpu-unverified.md is not what tests/gpu/unverified.sh makes: run it"; exit 1; }
else cp "$seen.md" "$R/gpu-unverified.md"; fi
