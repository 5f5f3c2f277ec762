#!/bin/bash
# mutants.sh [GLOB] - proves that the tests can fail. Every tests/mutants/GLOB.patch is one fault in one line; its first line names who must notice:
# "# caught by: NAME", NAME a test function or a folder of tests/cases (run/small_grid). Each is applied to a scratch copy of the tree, what it
# touches is rebuilt, the test is run and must fail. A fault that survives, does not apply or does not compile is a failure.
set -u
ROOT=$PWD
W=$ROOT/build/mutants
JOBS=${JOBS:-$(env -u OMP_NUM_THREADS nproc)}
glob=${1:-*}
mkdir -p build
if [ ! -e "$W/.git" ]; then
  rm -rf "$W"
  git worktree prune
  git worktree add --detach --force "$W" HEAD >/dev/null || exit 1
fi
# The tree as it is here, committed or not; what is unchanged keeps its date, so little is rebuilt.
git -C "$W" checkout -q --detach "$(git rev-parse HEAD)" -- . 2>/dev/null || git -C "$W" checkout -q -f --detach "$(git rev-parse HEAD)"
sync_tree() {
  git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' f; do
    if [ ! -f "$f" ]; then rm -f "$W/$f"
    elif ! cmp -s "$f" "$W/$f"; then mkdir -p "$W/$(dirname "$f")"; cp "$f" "$W/$f"; fi
  done
}
sync_tree
cd "$W" || exit 1
B=build/release
export GANTRY_BUILD=$W/$B GANTRY=$W/$B/gantry GANTRY_ROOT=$W OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
build() { make -j"$JOBS" "$@" >"$W/build/log" 2>&1; }
mkdir -p build
echo "building the scratch copy in build/mutants"
build gantry test-binaries || { tail -20 build/log; echo "the tree does not build as it is"; exit 1; }
caught=0 failed=0
bad() { echo "FAILED   $1: $2"; failed=$((failed + 1)); }
for patch in "$ROOT"/tests/mutants/$glob.patch; do
  name=$(basename "$patch" .patch)
  [ -f "$patch" ] || { echo "no patch fits tests/mutants/$glob.patch"; exit 1; }
  test=$(sed -n '1s/^# caught by: *//p' "$patch" | tr -d '[:space:]')
  [ -n "$test" ] || { bad "$name" 'its first line is not "# caught by: <test>"'; continue; }
  if [ -d "tests/cases/$test" ]; then runs=case; goals=gantry
  else
    source=$(grep -lE "\bT\($test\)" -r tests/unit --include='test_*.c' | head -1)
    [ -n "$source" ] || { bad "$name" "there is no test $test"; continue; }
    binary=$B/tests/${source#tests/unit/}; binary=${binary%.c}
    runs=unit; goals="gantry $binary"
  fi
  git apply "$patch" 2>build/why || { bad "$name" "the patch does not apply: $(head -1 build/why)"; continue; }
  t0=$(date +%s)
  if ! build $goals; then bad "$name" "does not compile: $(grep -m1 error build/log)"
  else
    if [ $runs = case ]; then timeout 300 tests/case.sh "tests/cases/$test" >build/said 2>&1; rc=$?
    else timeout 300 "$binary" "$test" >build/said 2>&1; rc=$?; fi
    if grep -q '^skip' build/said || [ $rc -eq 77 ]; then bad "$name" "$test was skipped: $(head -1 build/said)"
    elif [ $rc -eq 0 ]; then bad "$name" "$test does not notice it"
    else echo "caught   $name by $test ($(($(date +%s) - t0)) s)"; caught=$((caught + 1)); fi
  fi
  git apply -R "$patch" || { echo "cannot undo $name"; exit 1; }
done
build gantry test-binaries
echo "$caught passed, $failed failed, 0 skipped"
[ $failed = 0 ]
