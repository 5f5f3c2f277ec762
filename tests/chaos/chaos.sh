#!/bin/bash
# chaos.sh [KILLS] [TIMES] - a real grid is run once in peace, then disturbed in every way there is, and must end with the same bytes.
#  1. Named places (harness/base/fault.h): the quiet run lists how often each is passed; the grid is then killed at each of them, TIMES times (first, middle, last by default 3), in
#     parent or worker, and run again. A place that is never reached is a failure, so is a difference.
#  2. KILLS (default 20) SIGKILLs at random instants, at the parent, at a worker or at both, on one grid that is started again after each.
# Compared are: weights of every last and best checkpoint, every sample picture, every metric row and every logged value, all free of clock times. The database must pass
# integrity_check with no (run, metric, step) twice or missing. CHAOS_SEED names the random instants. Ends with "N passed, N failed, 0 skipped".
set -u
kills=${1:-20} times=${2:-3}
RANDOM=${CHAOS_SEED:-7}
here=$(cd "$(dirname "$0")" && pwd)
GANTRY=${GANTRY:-$here/../../gantry}
T=$(mktemp -d /tmp/gantry-chaos-XXXXXX)
trap 'rm -rf "$T"' EXIT
export GANTRY_OUT= OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
passed=0 failed=0
ok() { passed=$((passed + 1)); }
bad() { echo "not ok $1"; failed=$((failed + 1)); }
run() { "$GANTRY" run "$here/grid.json" --out "$1" --quiet --jobs 2 >"$1.said" 2>&1; }
# Everything a user could look at that has no clock in it.
essence() {
  "$GANTRY" query --out "$1" "SELECT label, seed, metric, coalesce(weights,''), step, value FROM curves WHERE metric<>'steps_per_second' ORDER BY 1,2,3,4,5" --csv
  "$GANTRY" query --out "$1" "SELECT label, seed, kind, step, sha256 FROM samples ORDER BY 1,2,3,4" --csv
  "$GANTRY" query --out "$1" "SELECT label, seed, status, step FROM runs ORDER BY 1,2" --csv
  (cd "$1/runs" && find . -name '*.png' | sort | xargs sha256sum; find . -name 'step-000000600.safetensors' -o -name 'best.safetensors' | sort | xargs sha256sum)
}
sound() { # what must hold of a finished grid, whatever happened before
  local what=$1 out=$2
  essence "$out" >"$T/now" 2>&1
  if ! cmp -s "$T/calm.essence" "$T/now"; then bad "$what: the end differs: $(diff "$T/calm.essence" "$T/now" | sed -n 2,3p | tr '\n' ' ')"; return; fi
  [ "$(sqlite3 -readonly "$out/gantry.db" 'PRAGMA integrity_check')" = ok ] || { bad "$what: integrity_check"; return; }
  (cd "$out/runs" && find . -name '*.sha256' | while read -r f; do (cd "$(dirname "$f")" && sha256sum -c --quiet "$(basename "$f")") || exit 1; done) || { bad "$what: a checkpoint does not match its checksum"; return; }
  ok
}
echo "the quiet run"
GANTRY_CRASH_LOG=$T/places run "$T/calm" || { cat "$T/calm.said"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
essence "$T/calm" >"$T/calm.essence"
[ "$(wc -l <"$T/calm.essence")" -gt 500 ] || bad "the quiet run left little to compare"
# store.backed_up is passed only when an old file is brought up to date: tests/cases/store/old_formats_are_migrated kills there
grep -rhoE 'fault_point\("[a-z._]+"\)' "$here/../../harness" 2>/dev/null | sed 's/.*"\(.*\)".*/\1/' | grep -v '^store.backed_up$' | sort -u >"$T/known"
for place in $(cat "$T/known"); do
  n=$(grep -cx "$place" "$T/places")
  if [ "$n" = 0 ]; then bad "$place: the quiet run never comes there"; continue; fi
  at="1 $(((n + 1) / 2)) $n"
  [ "$times" = 1 ] && at=$(((n + 1) / 2))
  for k in $(echo "$at" | tr ' ' '\n' | sort -nu); do
    rm -rf "$T/wild"
    GANTRY_CRASH_AT=$place:$k run "$T/wild"
    tries=0
    until run "$T/wild" || [ $tries = 3 ]; do tries=$((tries + 1)); done
    sound "$place:$k" "$T/wild"
  done
done
echo "$kills kills at random instants"
rm -rf "$T/wild"
for i in $(seq "$kills"); do
  "$GANTRY" run "$here/grid.json" --out "$T/wild" --quiet --jobs 2 --retries 0 >"$T/said" 2>&1 &
  parent=$!
  sleep "0.$((RANDOM % 9))$((RANDOM % 10))"
  child=$(cat "/proc/$parent/task/$parent/children" 2>/dev/null | tr ' ' '\n' | grep . | shuf -n 1 --random-source=<(yes "$RANDOM"))
  case $((RANDOM % 3)) in
    0) kill -9 $parent 2>/dev/null ;;
    1) [ -n "$child" ] && kill -9 "$child" 2>/dev/null ;;
    2) kill -9 $parent ${child:+"$child"} 2>/dev/null ;;
  esac
  wait $parent 2>/dev/null
  [ "$(sqlite3 -readonly "$T/wild/gantry.db" 'PRAGMA integrity_check' 2>&1)" = ok ] || [ ! -s "$T/wild/gantry.db" ] || bad "kill $i: integrity_check"
  # finished grids are begun anew, so that every kill has something to hit
  if "$GANTRY" plan "$here/grid.json" --out "$T/wild" 2>/dev/null | grep -q '4 runs; 4 done'; then
    sound "after kill $i" "$T/wild"
    rm -rf "$T/wild"
  fi
done
tries=0
until "$GANTRY" run "$here/grid.json" --out "$T/wild" --quiet >"$T/said" 2>&1 || [ $tries = 5 ]; do tries=$((tries + 1)); done
sound "after all $kills kills" "$T/wild"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
