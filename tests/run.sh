#!/bin/bash
# run.sh BUILD - runs every test binary and every case folder in parallel, prints failures, skips with reasons, the five slowest, and
# ends with "N passed, N failed, N skipped". A binary that dies or hangs counts as one failure and is named.
set -u
B=$1
R=$B/results
rm -rf "$R"; mkdir -p "$R"
export GANTRY_BUILD=$PWD/$B GANTRY=$PWD/$B/gantry GANTRY_ROOT=$PWD OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive
export GANTRY_CACHE=$PWD/$B/kernels # never the user's
one() { # a test binary
  local name out rc
  name=${1#"$GANTRY_BUILD"/tests/}; out=$2/$(echo "$name" | tr / -)
  timeout 300 "$1" >"$out" 2>"$out.err"; rc=$?
  if [ $rc -ne 0 ] && ! grep -q '^not ok' "$out"; then echo "not ok $name: ended with status $rc: $(tail -1 "$out.err")" >>"$out"; fi
  grep -qE '^(ok|not ok|skip)' "$out" || echo "not ok $name: ran no test" >>"$out"
}
case_one() { # a folder of tests/cases or a script of tests/scripts
  local name out t0 rc
  name=${1#tests/}; out=$2/$(echo "$name" | tr / -)
  t0=$(date +%s.%N)
  if [ -d "$1" ]; then timeout 300 tests/case.sh "$1" >"$out.err" 2>&1; else timeout 300 bash "$1" >"$out.err" 2>&1; fi
  rc=$?
  case $rc in
    0) printf 'ok %s %.2f\n' "$name" "$(echo "$(date +%s.%N) - $t0" | bc 2>/dev/null || awk -v a="$t0" -v b="$(date +%s.%N)" 'BEGIN{print b-a}')" >"$out" ;;
    77) echo "skip $name: $(tail -1 "$out.err")" >"$out" ;;
    *) echo "not ok $name: $(tail -3 "$out.err" | tr '\n' ' ')" >"$out" ;;
  esac
}
export -f one case_one
{ find "$GANTRY_BUILD/tests" -type f -executable -name 'test_*' 2>/dev/null | sort | sed 's/^/one /'
  find tests/cases -mindepth 2 -maxdepth 2 -type d 2>/dev/null | sort | sed 's/^/case_one /'
  find tests/scripts -name '*.sh' 2>/dev/null | sort | sed 's/^/case_one /'
} | xargs -P "$(env -u OMP_NUM_THREADS nproc)" -I{} bash -c "{} '$R'"
cat "$R"/* >/dev/null 2>&1
grep -h '^skip' "$R"/* 2>/dev/null
grep -h '^not ok' "$R"/* 2>/dev/null
echo "slowest:"; grep -h '^ok' "$R"/* 2>/dev/null | sort -k3,3nr | head -5 | sed 's/^ok /  /'
count() { cat "$R"/* 2>/dev/null | grep -c "^$1 "; }
p=$(count ok); f=$(count 'not ok'); s=$(count skip)
echo "$p passed, $f failed, $s skipped"
[ "$f" = 0 ] && [ "$p" != 0 ]
