#!/bin/bash
# check.sh - `make check-gpu`: everything that needs a GPU, from a build tree or from the archive of `make dist`, in minutes. Ends with
# "N passed, N failed, N skipped", and leaves tests/bench/results/gpu-<name>.txt (what ran, with which GPU and libraries) beside gpu-unverified.md.
#
#   ops and elementwise    the tests of the CUDA backend with GANTRY_TEST_GPU: the reference interpreter, the CPU backend's bits
#   programs               training steps beside the CPU backend, twice the same bits
#   memory                 more than the GPU has: one line, and the command ends
#   sanitizer              compute-sanitizer on a short run, where it is installed
#   resume                 a run stopped half-way and continued ends with the bytes of one that was not
# GANTRY_CUDA_DOUBLE=FILE runs all of it under the test double instead: a check of this script, not of a GPU; nothing is recorded then.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ -f plugins/backends/cuda.so ]; then B=$PWD; else B=$PWD/build/release; fi
[ -f "$B/plugins/backends/cuda.so" ] || { echo "check-gpu: this build has no CUDA backend: the headers of CUDA and cuDNN were missing"; exit 1; }
W=$(mktemp -d /tmp/gantry-gpu-XXXXXX)
trap 'rm -rf "$W"' EXIT
double=${GANTRY_CUDA_DOUBLE:-}
export GANTRY_BUILD=$B GANTRY=$B/gantry GANTRY_ROOT=$PWD OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive GANTRY_CACHE=${GANTRY_CACHE:-$W/cache} GANTRY_CUDA_SEEN=$W/seen
passed=0 failed=0 skipped=0
ok() { echo "ok $1"; passed=$((passed + 1)); }
bad() { echo "not ok $1: $2"; failed=$((failed + 1)); }
skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }
device=$("$GANTRY" doctor --out "$W/o" | sed -n 's/^ok *backend *cuda [0-9.]*: //p')
case $device in
  ""|*"cannot run here"*) "$GANTRY" doctor --out "$W/o" | grep -E 'GPU|cuda'; echo "check-gpu: no GPU can be used here (the line above says why)"; exit 1 ;;
esac
echo "$device"

tests() { # binary
  local out=$W/$1
  if [ -z "$double" ]; then export GANTRY_TEST_GPU=1; fi
  timeout 400 "$B/tests/backends_cuda/$1" >"$out" 2>"$out.err" || grep -q '^not ok' "$out" || echo "not ok $1: ended badly: $(tail -1 "$out.err")" >>"$out"
  unset GANTRY_TEST_GPU
  grep -E '^(not ok|skip)' "$out"
  passed=$((passed + $(grep -c '^ok ' "$out"))) failed=$((failed + $(grep -c '^not ok ' "$out"))) skipped=$((skipped + $(grep -c '^skip ' "$out")))
}
for t in test_elementwise test_steps test_graphs test_run; do tests $t; done

cat >"$W/dcgan.json" <<J
{"gantry": 1, "name": "gpu", "base": {"data": {"name": "gaussians"}, "g": {"arch": {"name": "mlp"}}, "d": {"arch": {"name": "mlp"}},
 "train": {"batch": 64, "length": {"steps": 60}}, "checkpoints": {"every": {"steps": 20}, "keep": 9}}, "seeds": 1}
J
# a run, and the same stopped at 20 steps and continued: equal bytes at the end
sum() { find "$1" -name 'step-000000060.safetensors' -exec sha256sum {} + | cut -d' ' -f1; }
if "$GANTRY" run "$W/dcgan.json" --out "$W/a" --device cuda --quiet >"$W/said" 2>&1 && "$GANTRY" run "$W/dcgan.json" --out "$W/b" --device cuda --quiet --set train.length='{"steps": 20}' >>"$W/said" 2>&1 &&
  "$GANTRY" run "$W/dcgan.json" --out "$W/b" --device cuda --quiet >>"$W/said" 2>&1; then
  if [ -n "$(sum "$W/a")" ] && [ "$(sum "$W/a")" = "$(sum "$W/b")" ]; then ok resume; else bad resume "a run continued at 20 steps ends with other bytes"; fi
else bad resume "$(tail -1 "$W/said")"; fi

# more memory than there is
"$GANTRY" trace "$W/dcgan.json" --device cuda --set train.batch=1000000 --set data.count=1000000 --set g.arch.width=30000 --set d.arch.width=30000 --steps 1 -o "$W/t" >"$W/said" 2>&1
rc=$?
if [ $rc -ne 0 ] && [ $rc -lt 128 ] && grep -q 'no memory for' "$W/said"; then ok memory; else bad memory "status $rc: $(tail -1 "$W/said")"; fi

if command -v compute-sanitizer >/dev/null && [ -z "$double" ]; then
  if timeout 240 compute-sanitizer --tool memcheck --error-exitcode 9 "$GANTRY" trace "$W/dcgan.json" --device cuda --steps 2 -o "$W/t" >"$W/said" 2>&1; then ok sanitizer; else bad sanitizer "$(grep -m1 'Invalid\|ERROR' "$W/said")"; fi
else skip sanitizer "compute-sanitizer is not installed, or there is no GPU"; fi

if [ -z "$double" ] && [ $failed = 0 ]; then
  name=$(echo "${device%%,*}" | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9-')
  { echo "device $device"; echo "date $(date +%F)"; echo "check-gpu $passed passed, $failed failed, $skipped skipped"; sort -u "$W/seen"; } >"tests/bench/results/gpu-$name.txt"
  bash tests/gpu/unverified.sh
else
  echo "ways through the backend that this went: $(sort -u "$W/seen" | wc -l)"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ] && [ $passed != 0 ]
