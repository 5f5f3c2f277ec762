# Every fault of tests/mutants still fits the sources and names a test that exists: a patch that has drifted away proves nothing. (`make mutants` runs them.)
cd "${GANTRY_ROOT:-.}" || exit 1
git rev-parse --git-dir >/dev/null 2>&1 || { echo "no git checkout: patches were not tried"; exit 77; }
grep -rhoE '\bT\([a-z]*_?test_[a-zA-Z0-9_]+\)' tests/unit --include='test_*.c' | sed 's/T(\(.*\))/\1/' | sort -u >"${TMPDIR:-/tmp}/gantry-tests-$$"
trap 'rm -f "${TMPDIR:-/tmp}/gantry-tests-$$"' EXIT
bad=0
for p in tests/mutants/*.patch; do
  git apply --check "$p" 2>/dev/null || { echo "$p no longer applies"; bad=1; }
  t=$(sed -n '1s/^# caught by: *//p' "$p" | tr -d '[:space:]')
  [ -n "$t" ] && { [ -d "tests/cases/$t" ] || [ -e "tests/scripts/$t.sh" ] || grep -qx "$t" "${TMPDIR:-/tmp}/gantry-tests-$$"; } || { echo "$p names no test that exists: \"$t\""; bad=1; }
done
exit $bad
