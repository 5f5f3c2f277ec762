#!/bin/bash
# check.sh - the slow checks: unit tests under the address and undefined-behaviour sanitizers, those that use threads under the thread sanitizer,
# a few under valgrind, and the rules on sources. Prints what fails and what is left out and why; ends with "N passed, N failed, N skipped".
# Warnings are errors in the release build alone: sanitizers make gcc see truncations that cannot happen. The sanitizers run before valgrind: they see
# more and are faster; valgrind adds reads of uninitialised memory.
set -u
passed=0 failed=0 skipped=0
R=build/check
rm -rf "$R"; mkdir -p "$R"
export GANTRY_ROOT=$PWD OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive OPENBLAS_NUM_THREADS=1
# What the system's libraries keep until the end (dlopen'ed plugins are never unloaded) is not ours to free.
export ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=halt_on_error=1
skip() { echo "skip $1: $2"; skipped=$((skipped + 1)); }
count() { # result file
  grep -E '^(not ok|skip)' "$1" | sed "s|^\(not ok\|skip\)|\1 $2|"
  passed=$((passed + $(grep -c '^ok ' "$1"))); failed=$((failed + $(grep -c '^not ok ' "$1"))); skipped=$((skipped + $(grep -c '^skip ' "$1")))
}
one() { # name of the run, binary, command in front
  local out=$R/$1-$(basename "$2") rc
  timeout 600 ${3:-} "$2" >"$out" 2>"$out.err"; rc=$?
  if [ $rc -ne 0 ] && ! grep -q '^not ok' "$out"; then echo "not ok $(basename "$2"): ended with status $rc: $(grep -m1 -E 'ERROR|runtime error|WARNING|Invalid|uninitialised' "$out.err")" >>"$out"; fi
}
export -f one; export R
for san in address undefined; do
  echo "unit tests with SAN=$san"
  if ! make -j"$(nproc)" CI= SAN=$san OPT="-O1 -g" gantry test-binaries >"$R/$san.build" 2>&1; then
    echo "not ok $san: does not build: $(grep -m1 -E 'error|undefined' "$R/$san.build")"; failed=$((failed + 1)); continue
  fi
  export GANTRY_BUILD=$PWD/build/$san GANTRY=$PWD/build/$san/gantry
  find "$PWD/build/$san/tests" -type f -executable -name 'test_*' | sort | xargs -P "$(nproc)" -I{} bash -c "one $san {}"
  cat "$R/$san"-test_* 2>/dev/null | grep -E '^(ok|not ok|skip)' >"$R/$san"
  count "$R/$san" "$san"
done

# Threads: the host starts none (it starts processes), the CPU backend leaves them to OpenMP and OpenBLAS, which the sanitizer does not understand.
threaded=$(grep -lE 'pthread_create|thrd_create' -r harness plugins tests/unit 2>/dev/null)
if [ -z "$threaded" ]; then skip thread "no source starts a thread; libraries that do are not instrumented"
else
  echo "unit tests with SAN=thread"
  if make -j"$(nproc)" CI= SAN=thread OPT="-O1 -g" gantry test-binaries >"$R/thread.build" 2>&1; then
    export GANTRY_BUILD=$PWD/build/thread GANTRY=$PWD/build/thread/gantry
    for f in $threaded; do
      room=$(echo "$f" | cut -d/ -f2)
      [ "${f#plugins/}" != "$f" ] && room=backends
      [ "${f#tests/unit/}" != "$f" ] && room=$(echo "$f" | cut -d/ -f3)
      echo "$room"
    done | sort -u | while read -r room; do find "build/thread/tests/$room" -type f -executable -name 'test_*' 2>/dev/null; done | sort -u | xargs -P "$(nproc)" -I{} bash -c "one thread {}"
    cat "$R/thread"-test_* 2>/dev/null | grep -E '^(ok|not ok|skip)' >"$R/thread"
    count "$R/thread" thread
  else echo "not ok thread: does not build: $(grep -m1 -E 'error|undefined' "$R/thread.build")"; failed=$((failed + 1)); fi
fi

echo "unit tests with valgrind"
if ! command -v valgrind >/dev/null; then skip valgrind "valgrind is not installed"
else
  make -j"$(nproc)" gantry test-binaries >"$R/release.build" 2>&1
  export GANTRY_BUILD=$PWD/build/release GANTRY=$PWD/build/release/gantry
  list="ir/test_node ir/test_infer abi/test_registry store/test_record store/test_checkpoint data/test_image_folder"
  for t in $list; do [ -x "build/release/tests/$t" ] && echo "build/release/tests/$t"; done | xargs -P "$(nproc)" -I{} bash -c "one valgrind {} 'valgrind -q --error-exitcode=9 --leak-check=no'"
  cat "$R/valgrind"-test_* 2>/dev/null | grep -E '^(ok|not ok|skip)' >"$R/valgrind"
  count "$R/valgrind" valgrind
  skip valgrind "all but $list: they take minutes there, and the sanitizers run them"
fi

echo "fuzzing: any bytes as experiment, plugin, checkpoint, records, idx files, images"
tests/fuzz/fuzz.sh 8 >"$R/fuzz" 2>&1
grep -E '^(not ok|skip)' "$R/fuzz"
read -r p f s <<<"$(tail -1 "$R/fuzz" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped/\1 \2 \3/p')"
passed=$((passed + ${p:-0})); failed=$((failed + ${f:-1})); skipped=$((skipped + ${s:-0}))

echo "chaos: a grid killed at every named place and at random"
make -j"$(nproc)" gantry >"$R/chaos.build" 2>&1
GANTRY=$PWD/build/release/gantry tests/chaos/chaos.sh 15 1 >"$R/chaos" 2>/dev/null
grep '^not ok' "$R/chaos"
read -r p f <<<"$(tail -1 "$R/chaos" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p')"
passed=$((passed + ${p:-0})); failed=$((failed + ${f:-1}))

echo "faults: calls that fail, in parent, worker and the commands that read"
GANTRY=$PWD/build/release/gantry tests/chaos/faults.sh 40 >"$R/faults" 2>/dev/null
grep '^not ok' "$R/faults"
read -r p f <<<"$(tail -1 "$R/faults" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed.*/\1 \2/p')"
passed=$((passed + ${p:-0})); failed=$((failed + ${f:-1}))

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
