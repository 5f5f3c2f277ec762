#!/bin/bash
# faults.sh [EVERY] - calls that fail: the k-th write, flush, rename, open and allocation (shim.c), for k over all there are in steps of about one in EVERY (default 12), once and lasting,
# with ENOSPC, EIO and short writes, in the parent and in the worker of a small grid, and in query, report, plan, merge and fsck. No process may end by a signal, every failure must
# say something, and after it `gantry run` must end with the bytes of the undisturbed run. Ends with "N passed, N failed, 0 skipped".
set -u
every=${1:-12}
here=$(cd "$(dirname "$0")" && pwd)
GANTRY=${GANTRY:-$here/../../gantry}
T=$(mktemp -d /tmp/gantry-faults-XXXXXX)
trap 'rm -rf "$T"' EXIT
export GANTRY_OUT= OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
cc -std=c11 -O1 -fPIC -shared -o "$T/shim.so" "$here/shim.c" -ldl || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
passed=0 failed=0
bad() { echo "not ok $1"; failed=$((failed + 1)); }
options="--set seeds=1 --set train.length.steps=200 --only loss=ns --quiet --jobs 1 --retries 0"
run() { "$GANTRY" run "$here/grid.json" --out "$1" $options >"$T/said" 2>&1; }
essence() {
  "$GANTRY" query --out "$1" "SELECT label, seed, metric, coalesce(weights,''), step, value FROM curves WHERE metric<>'steps_per_second' ORDER BY 1,2,3,4,5" --csv
  "$GANTRY" query --out "$1" "SELECT label, status, step FROM runs ORDER BY 1" --csv
  (cd "$1/runs" && find . -name '*.png' -o -name 'step-000000200.safetensors' | sort | xargs sha256sum)
}
run "$T/calm" || { cat "$T/said"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
essence "$T/calm" >"$T/calm.essence"
# fault kind, who, suffix
disturb() {
  local what=$1
  rm -rf "$T/wild"
  FAULT=$what FAULT_IN=$2 LD_PRELOAD=$T/shim.so run "$T/wild"
  local rc=$? log
  if [ $rc -ge 128 ]; then bad "$2 $what: ended by signal $((rc - 128)): $(tail -1 "$T/said")"; return; fi
  log=$(cat "$T"/wild/runs/*/*/*/log.txt 2>/dev/null)
  # a library in C++ ends the process when it finds no memory; that costs this run alone
  if [[ $what != malloc* || $2 != worker ]] && grep -q 'ended by SIG' <<<"$log$(cat "$T/said")"; then bad "$2 $what: $(grep -m1 'ended by SIG' <<<"$log$(cat "$T/said")")"; return; fi
  if [ $rc -ne 0 ] && [ ! -s "$T/said" ]; then bad "$2 $what: failed and said nothing"; return; fi
  run "$T/wild" || "$GANTRY" run "$here/grid.json" --out "$T/wild" $options --retry >"$T/said" 2>&1
  essence "$T/wild" >"$T/now" 2>&1
  if cmp -s "$T/calm.essence" "$T/now"; then passed=$((passed + 1)); else bad "$2 $what: afterwards the end differs: $(diff "$T/calm.essence" "$T/now" | sed -n 2,3p | tr '\n' ' ') $(tail -1 "$T/said")"; fi
}
count() { # kind who: how many such calls the run makes
  rm -rf "$T/wild" "$T/count"
  FAULT_LOG=$T/count FAULT_IN=$2 LD_PRELOAD=$T/shim.so run "$T/wild"
  awk -v k="$1" '$1 == k && $2 > m { m = $2 } END { print m + 0 }' "$T/count"
}
for who in parent worker; do
  for fault in write:ENOSPC write:EIO write:SHORT write+:ENOSPC sync:EIO rename:ENOSPC open:ENOSPC malloc:ENOMEM malloc+:ENOMEM; do
    kind=${fault%%[+:]*} code=${fault##*:}; lasting=; [ "$kind+" = "${fault%%:*}" ] && lasting=+
    n=$(count "$kind" $who) step=$every
    points=$(seq 1 "$step" "$n")
    # allocations: as many points, half of them crowded at the beginning, where settings are read and plugins are opened
    [ "$kind" = malloc ] && points=$(awk -v n="$n" -v m="$every" 'BEGIN { for (i = 0; i < m; i++) { print 1 + int(n * i / m); print int(exp(log(n) * (0.5 + 0.4 * i / m))) } }' | sort -nu)
    for k in $points; do disturb "$kind:$k$lasting:$code" $who; done
  done
done
# commands that read
for command in "query --out $T/calm 'SELECT * FROM ranking'" "report $T/calm -o $T/r.html" "plan $here/grid.json --out $T/calm" "merge $T/calm --out $T/merged" "fsck --out $T/calm" "plugins list" "ls --out $T/calm"; do
  rm -rf "$T/merged" "$T/count"
  FAULT_LOG=$T/count LD_PRELOAD=$T/shim.so bash -c "'$GANTRY' $command" >/dev/null 2>&1
  n=$(awk '$1 == "malloc" && $2 > m { m = $2 } END { print m + 0 }' "$T/count")
  for k in $(seq 1 $((n / every + 1)) "$n"); do
    rm -rf "$T/merged"
    FAULT=malloc:$k:ENOMEM FAULT_IN=parent LD_PRELOAD=$T/shim.so bash -c "exec '$GANTRY' $command" >"$T/said" 2>&1
    rc=$?
    if [ $rc -ge 128 ]; then bad "${command%% *} malloc:$k: ended by signal $((rc - 128))"
    elif [ $rc -ne 0 ] && [ ! -s "$T/said" ]; then bad "${command%% *} malloc:$k: failed and said nothing"
    else passed=$((passed + 1)); fi
  done
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ]
