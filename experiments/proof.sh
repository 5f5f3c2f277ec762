#!/bin/bash
# proof.sh NAME - `make proof-NAME`: trains the next seed of experiments/NAME/NAME.json, adds what it measured to the small database experiments/NAME/results.db,
# and writes experiments/NAME/README.md from about.md and that database. SEEDS=k: so many seeds (default 1). Interrupted, it goes on where it was: runs are kept
# under build/proof, rows are keyed by cell and seed. Once the stated number of seeds is there it only writes the table, unless SEEDS is given.
#
# A folder has  NAME.json  the experiment;  about.md  what is claimed, by whom, and what is expected; its line "n: 5" states the number of seeds;
# proof.sql  two views over tables run and value (below): line(text), the lines of the table, and claim(text, holds).
# Below the stated n the table says so and no claim is judged.
#
# SMOKE=steps: one seed at that length in a scratch folder, the table on standard output, nothing kept.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 here=experiments/$1 exp=experiments/$1/$1.json
[ -f "$exp" ] || { echo "there is no $exp: $(cd experiments && ls -d */ | tr -d / | tr '\n' ' ')" >&2; exit 1; }
want=$(sed -n 's/^n: *//p' "$here/about.md")
db=$here/results.db work=build/proof/$name readme=$here/README.md extra=()
if [ -n "${SMOKE:-}" ]; then
  work=$(mktemp -d); db=$work/results.db readme=/dev/stdout
  trap 'rm -rf "$work"' EXIT
  extra=(--set "train.length={\"steps\": $SMOKE}")
  for id in fd coverage; do ! grep -q "\"$id\": {\"name\"" "$exp" || extra+=(--set "metrics.$id.every=end"); done
fi
mkdir -p "$(dirname "$work")"
ask() { sqlite3 -bail "$db" "$@"; }
ask "CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT) STRICT;
     CREATE TABLE IF NOT EXISTS run(cell INTEGER, label TEXT, seed INTEGER, status TEXT, step INTEGER, images INTEGER, seconds REAL, machine TEXT, PRIMARY KEY(cell, seed)) STRICT;
     CREATE TABLE IF NOT EXISTS value(cell INTEGER, seed INTEGER, metric TEXT, weights TEXT, step INTEGER, images INTEGER, seconds REAL, value REAL, PRIMARY KEY(cell, seed, metric, weights, step)) STRICT;"
sha=$(sha256sum "$exp" | cut -c1-64)
was=$(ask "SELECT value FROM meta WHERE key='experiment'")
[ -z "$was" ] || [ "$was" = "$sha" ] || { echo "$exp is not the experiment that $db was made with: restore it, or remove the database" >&2; exit 1; }
complete() { ask "SELECT count(*) FROM (SELECT seed FROM run GROUP BY seed HAVING count(*)=(SELECT CAST(value AS INTEGER) FROM meta WHERE key='cells'))"; }
next() { # the first seed that some cell lacks
  ask "WITH RECURSIVE s(k) AS (SELECT 1 UNION ALL SELECT k+1 FROM s WHERE k<10000) SELECT min(k) FROM s WHERE (SELECT count(*) FROM run WHERE seed=k)<coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key='cells'),1)"
}
left=${SEEDS:-1}
while [ "$left" -gt 0 ] && { [ -n "${SEEDS:-}" ] || [ "$(complete)" -lt "$want" ]; }; do
  seed=$(next)
  ./gantry run "$exp" --out "$work/s$seed" --set "seeds=[$seed]" ${JOBS:+--jobs "$JOBS"} "${extra[@]}" >&2
  ask "ATTACH '$work/s$seed/gantry.db' AS g; BEGIN;
    INSERT OR REPLACE INTO meta VALUES('experiment','$sha'),('cells',(SELECT CAST(count(*) AS TEXT) FROM g.cells WHERE excluded IS NULL AND same_as IS NULL));
    INSERT OR REPLACE INTO run SELECT cell,label,seed,status,step,images,train_s,'$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)' FROM g.runs WHERE status IN('done','diverged');
    INSERT OR REPLACE INTO value SELECT c.cell,c.seed,c.metric,c.weights,c.step,c.images,c.train_s,c.value FROM g.curves c WHERE c.weights IN('raw','ema') AND EXISTS(SELECT 1 FROM run r WHERE r.cell=c.cell AND r.seed=c.seed);
    COMMIT;"
  [ "$(ask "SELECT count(*) FROM run WHERE seed=$seed")" = "$(ask "SELECT value FROM meta WHERE key='cells'")" ] || { echo "seed $seed: not every cell finished; the next call tries again" >&2; exit 1; }
  left=$((left - 1))
done
n=$(complete)
{
  grep -v '^n: ' "$here/about.md"
  echo; echo "## Results: n = $n of $want"; echo
  [ -z "${SMOKE:-}" ] || { echo "A smoke run of $SMOKE steps: no result."; echo; }
  if [ "$n" = 0 ]; then echo "No seed has been trained yet: \`make proof-$name\`."
  else
    ask ".read $here/proof.sql" "SELECT text FROM line"
    echo
    if [ "$n" -lt "$want" ]; then echo "With fewer than $want seeds this table makes no claim; \`make proof-$name\` adds one."
    else ask ".read $here/proof.sql" "SELECT '- '||text||': '||CASE holds WHEN 1 THEN 'holds' ELSE 'does not hold' END||'.' FROM claim"; fi
    echo; echo "Machines: $(ask "SELECT group_concat(DISTINCT machine) FROM run"). Every row: \`sqlite3 $here/results.db\`, tables run and value."
  fi
} >"$work.md.new" 2>&1 && cat "$work.md.new" >"$readme" && rm -f "$work.md.new"
[ -n "${SMOKE:-}" ] || { echo "$readme: n = $n of $want"; [ "$n" -ge "$want" ] || echo "make proof-$name again adds a seed"; }
