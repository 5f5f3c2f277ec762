#!/bin/bash
# demo.sh [1] - `make demo`: runs experiments/demo.json, writes the report, and holds the result to what the demo promises: the best cell ends at a third
# of the untrained generator's distance or less, every cell at half or less. With 1: fewer steps and one seed, in about a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${GANTRY_OUT:-demo-out} extra=()
if [ -n "${1:-}" ]; then out=$out-quick extra=(--set seeds=1 --set train.length.steps=400 --set samples.every.steps=200 --set checkpoints.every.steps=200); fi
./gantry run experiments/demo.json --out "$out" "${extra[@]}"
./gantry report "$out" -o "$out/report.html"
best=$(find "$out/runs/demo" -path '*000-*' -name '*.png' -path '*s1*' ! -name 'interpolate*' | sort | tail -1)
echo "look at   $best"
echo "report    $out/report.html"
echo "ask       ./gantry query --out $out \"SELECT label, n, mean, sd FROM ranking WHERE metric='fd' AND step IS NULL OR 1 LIMIT 10\"" | sed "s/ AND step IS NULL OR 1//"
sqlite3 -readonly "$out/gantry.db" "
  WITH last AS (SELECT label, avg(last) v FROM results WHERE grid='demo' AND metric='fd' AND weights='raw' GROUP BY label),
       zero AS (SELECT avg(value) v FROM curves WHERE grid='demo' AND metric='fd' AND weights='raw' AND step=0)
  SELECT CASE WHEN (SELECT count(*) FROM last) < 6 THEN 'demo: cells are missing'
              WHEN (SELECT min(v) FROM last) > (SELECT v FROM zero) / 3 THEN 'demo: the best cell is above a third of the untrained distance'
              WHEN (SELECT max(v) FROM last) > (SELECT v FROM zero) / 2 THEN 'demo: a cell is above half of the untrained distance'
              ELSE 'ok' END" | { read -r verdict; [ "$verdict" = ok ] || { echo "$verdict" >&2; exit 1; }; }
