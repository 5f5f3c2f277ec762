#!/bin/bash
# sanitize.sh address|undefined|thread - the unit tests built with a sanitizer of gcc: `make asan`, `make ubsan`, `make tsan`, and part of `make check`. Prints what fails or is left out,
# ends with "N passed, N failed, N skipped". Under the thread sanitizer only the rooms that start threads run: the host starts processes, not threads.
# Warnings are errors in the release build alone: sanitizers make gcc see truncations that cannot happen.
set -u
san=$1 R=build/check
mkdir -p "$R"; rm -f "$R/$san"-test_*
export GANTRY_ROOT=$PWD OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1 GANTRY_CACHE=${GANTRY_CACHE:-$PWD/build/check-cache}
# What the system's libraries keep until the end (dlopen'ed plugins are never unloaded) is not ours to free.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
one() { # sanitizer, binary
  local out=$R/$1-$(basename "$2") rc
  timeout 600 "$2" >"$out" 2>"$out.err"; rc=$?
  if [ $rc -ne 0 ] && ! grep -q '^not ok' "$out"; then echo "not ok $(basename "$2"): ended with status $rc: $(grep -m1 -E 'ERROR|runtime error|WARNING' "$out.err")" >>"$out"; fi
}
export -f one; export R
rooms=$(ls tests/unit)
if [ "$san" = thread ]; then
  rooms=$(grep -lE 'pthread_create|thrd_create' -r harness plugins tests/unit 2>/dev/null | sed -e 's|^plugins/.*|backends|' -e 's|^tests/unit/\([^/]*\)/.*|\1|' -e 's|^harness/\([^/]*\)/.*|\1|' | sort -u)
  if [ -z "$rooms" ]; then
    echo "skip thread: no source starts a thread; libraries that do are not instrumented"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
  fi
fi
if ! make -j"$(env -u OMP_NUM_THREADS nproc)" CI= SAN="$san" OPT="-O1 -g" gantry test-binaries >"$R/$san.build" 2>&1; then
  echo "not ok $san: does not build: $(grep -m1 -E 'error|undefined' "$R/$san.build")"
  echo "0 passed, 1 failed, 0 skipped"
  exit 1
fi
ln -sf build/release/gantry gantry
export GANTRY_BUILD=$PWD/build/$san GANTRY=$PWD/build/$san/gantry
for room in $rooms; do find "$PWD/build/$san/tests/$room" -type f -executable -name 'test_*' 2>/dev/null; done | sort | xargs -P "$(env -u OMP_NUM_THREADS nproc)" -I{} bash -c "one $san {}"
cat "$R/$san"-test_* 2>/dev/null | grep -E '^(ok|not ok|skip)' >"$R/$san"
grep -E '^(not ok|skip)' "$R/$san" | sed "s|^\(not ok\|skip\)|\1 $san|"
p=$(grep -c '^ok ' "$R/$san"); f=$(grep -c '^not ok ' "$R/$san"); s=$(grep -c '^skip ' "$R/$san")
echo "$p passed, $f failed, $s skipped"
[ "$f" = 0 ] && [ "$p" != 0 ]
