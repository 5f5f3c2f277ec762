#!/bin/bash
# check.sh - the slow checks: unit tests under the sanitizers, a few under valgrind, fuzzing, a grid killed at every named place, calls made to fail, and the rules on sources. Prints what
# fails and what is left out and why; ends with "N passed, N failed, N skipped". The sanitizers run before valgrind: they see more and are faster; valgrind adds reads of
# uninitialised memory.
set -u
passed=0 failed=0 skipped=0
R=build/check
rm -rf "$R"; mkdir -p "$R"
export GANTRY_ROOT=$PWD OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 GANTRY_CACHE=$PWD/build/check-cache # never the user's
skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }
part() { # title, command...: a script that ends with "N passed, N failed, N skipped"
  local t0=$SECONDS p f s
  echo "$1"; shift
  "$@" >"$R/said" 2>"$R/said.err"
  grep -E '^(not ok|skip)' "$R/said"
  read -r p f s <<<"$(tail -1 "$R/said" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped/\1 \2 \3/p')"
  if [ -z "${s:-}" ]; then echo "not ok $*: it did not come to its end: $(tail -1 "$R/said" "$R/said.err" | tr '\n' ' ')"; f=1; fi
  passed=$((passed + ${p:-0})); failed=$((failed + ${f:-1})); skipped=$((skipped + ${s:-0}))
  echo "  ${p:-0} passed in $((SECONDS - t0)) s"
}
for san in address undefined thread; do part "unit tests with SAN=$san" tests/sanitize.sh $san; done
make -j"$(env -u OMP_NUM_THREADS nproc)" gantry test-binaries >"$R/release.build" 2>&1 || { echo "not ok release: does not build"; failed=$((failed + 1)); }
export GANTRY_BUILD=$PWD/build/release GANTRY=$PWD/build/release/gantry

valgrind_tests="ir/test_node ir/test_infer abi/test_registry store/test_record store/test_checkpoint data/test_image_folder"
under_valgrind() {
  local p=0 f=0 t
  for t in $valgrind_tests; do
    timeout 600 valgrind -q --error-exitcode=9 --leak-check=no "build/release/tests/$t" >"$R/valgrind" 2>"$R/valgrind.err" || echo "not ok valgrind $t: $(grep -m1 -E '^not ok|Invalid|uninitialised' "$R/valgrind" "$R/valgrind.err")"
    p=$((p + $(grep -c '^ok ' "$R/valgrind"))); [ -s "$R/valgrind.err" ] && grep -qE 'Invalid|uninitialised' "$R/valgrind.err" && f=$((f + 1)); f=$((f + $(grep -c '^not ok ' "$R/valgrind")))
  done
  echo "$p passed, $f failed, 0 skipped"
}
if command -v valgrind >/dev/null; then part "unit tests with valgrind" under_valgrind
else skip valgrind "valgrind is not installed"; fi
skip valgrind "all but $valgrind_tests: they take minutes there, and the sanitizers run them"

combinations() {
  GANTRY_COMBINATIONS=300 timeout 1200 build/release/tests/train/test_combinations >"$R/combinations"
  sed -n 's/^# refused: \(regularizers\.\)r[0-9]*/\1/p; s/^# refused: //p' "$R/combinations" | sort | uniq -c | sed 's/^ */skip combinations: refused /'
  grep '^not ok' "$R/combinations"
  local ok
  ok=$(grep -c '^ok' "$R/combinations")
  echo "$ok passed, $((1 - ok)) failed, $(grep -c '^# refused' "$R/combinations") skipped"
}
part "300 random combinations of techniques train and resume" combinations

conformance() {
  local so seed
  for seed in 1 2 3; do
    for so in build/release/plugins/*/*.so; do
      build/release/gantry plugins check --seed $seed "$so" >"$R/conform" 2>&1
      sed -n "s|^  \\(fail\\|crash\\|timeout\\) |not ok $(basename "$so") seed $seed: \\1 |p" "$R/conform"
      tail -1 "$R/conform" >>"$R/conform.counts"
    done
  done
  awk '{p += $1; f += $3 + $5 + $7; s += $10} END {print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"}' "$R/conform.counts"
}
part "every shipped plugin: the whole conformance check, three seeds" conformance

other_gpus() { # every template for GPUs older and newer than the one of `make test`
  local t
  for t in build/release/tests/backends_cuda/test_{graphs,steps,elementwise}; do
    if [ -x "$t" ]; then NVRTC_ARCHS="80 100" timeout 600 "$t" || true; else echo "skip $(basename "$t"): the CUDA backend is not built here"; fi
  done >"$R/gpus" 2>&1
  grep -E '^(not ok|skip)' "$R/gpus"
  echo "$(grep -c '^ok ' "$R/gpus") passed, $(grep -c '^not ok ' "$R/gpus") failed, $(grep -c '^skip ' "$R/gpus") skipped"
}
part "kernels of the CUDA backend for sm_80 and sm_100" other_gpus

part "fuzzing: any bytes as experiment, plugin, checkpoint, records, idx files, images" tests/fuzz/fuzz.sh 8
part "an installed prefix, moved, and a plugin of every kind made with it" tests/prefix/prefix.sh
part "chaos: a grid killed at every named place and at random" tests/chaos/chaos.sh 15 1
part "faults: calls that fail, in parent, worker and the commands that read" tests/chaos/faults.sh 16

for s in tests/scripts/*.sh; do
  name=scripts/$(basename "$s")
  bash "$s" >"$R/said" 2>&1
  case $? in
    0) grep -E 'more than the 400' "$R/said"; passed=$((passed + 1)) ;;
    77) skip "$name" "$(tail -1 "$R/said")" ;;
    *) echo "not ok $name: $(tail -3 "$R/said" | tr '\n' ' ')"; failed=$((failed + 1)) ;;
  esac
done
skip cases "tests/cases run the release build: make test runs them"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
