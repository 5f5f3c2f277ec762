#!/bin/bash
# case.sh FOLDER - one case: runs the command line in FOLDER/cmd with $GANTRY (the program), $D (the folder), $T (a scratch folder that is also
# the current one), and compares. Files of a case, all but cmd optional:
#   cmd      shell, run by bash        rc       the exit status expected, 0 if absent
#   stdout stderr has                  each line must occur in that stream, or in either
#   not                                no line may occur in either
# A cmd that exits with 77 after printing why is skipped.
set -u
D=$(cd "$1" && pwd)
T=$(mktemp -d /tmp/gantry-case-XXXXXX)
export D T GANTRY GANTRY_OUT=
trap 'chmod -R u+w "$T" 2>/dev/null; rm -rf "$T" "$T.out" "$T.err"' EXIT
cd "$T" || exit 1
bash "$D/cmd" >"$T.out" 2>"$T.err" </dev/null
rc=$?
want=0
[ -f "$D/rc" ] && want=$(tr -d '[:space:]' <"$D/rc")
if [ $rc -eq 77 ] && [ "$want" != 77 ]; then cat "$T.err" "$T.out"; exit 77; fi
bad=0
say() { echo "$1"; bad=1; }
[ "$rc" = "$want" ] || say "ended with $rc, expected $want"
need() { # file of lines, streams
  [ -f "$D/$1" ] || return 0
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    [ -z "$line" ] && continue
    cat "${@:2}" | grep -qF -- "$line" || say "$1 lacks: $line"
  done <"$D/$1"
}
need stdout "$T.out"
need stderr "$T.err"
need has "$T.out" "$T.err"
if [ -f "$D/not" ]; then
  while IFS= read -r line || [ -n "$line" ]; do
    [ -n "$line" ] && cat "$T.out" "$T.err" | grep -qF -- "$line" && say "must not say: $line"
  done <"$D/not"
fi
if [ $bad = 1 ]; then
  echo "--- it said:"
  head -c 1500 "$T.out" "$T.err"
fi
exit $bad
