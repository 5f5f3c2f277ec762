#!/bin/bash
# store.sh BUILD - `make bench-store`: rows a second into one database, bytes a row, and how long its readers wait; a finished grid run again. Writes tests/bench/results/store.md.
set -euo pipefail
B=$1 T=build/bench-store
rm -rf $T; mkdir -p $T/rows
"$B/bench/store_rows" $T/rows >$T/said
v() { sed -n "s/^$1 //p" $T/said; }
ms() { # median wall milliseconds of five calls
  for _ in 1 2 3 4 5; do local a b; a=$(date +%s%N); "$@" >/dev/null 2>&1; b=$(date +%s%N); echo $(((b - a) / 10000)); done | sort -n | sed -n 3p | awk '{printf "%.1f", $1 / 100}'
}
ls=$(ms ./gantry ls many --out $T/rows)
sed 's/"seeds": 2/"seeds": 30/; s/"steps": 600/"steps": 40/; s/"name": "chaos"/"name": "sixty"/' tests/chaos/grid.json >$T/sixty.json
./gantry run $T/sixty.json --out $T/sixty --quiet >/dev/null 2>&1
done_runs=$(./gantry query --out $T/sixty "SELECT count(*) FROM runs WHERE status='done'" --csv | tail -1)
again=$(ms ./gantry run $T/sixty.json --out $T/sixty --quiet)
# A log point costs worker, pipe and writer, so it is counted in processor time of all of them: runs that log at every step against runs that log once, in turn.
steps=8000
train() { # name, case, log.every, steps, more settings: adds "microseconds of processor, microseconds of training a step" to $T/name
  local name=$1 case=$2 every=$3 n=$4 out=$T/log$RANDOM$RANDOM used
  shift 4
  used=$( { TIMEFORMAT='%U %S'; time OMP_NUM_THREADS=1 ./gantry run tests/bench/cases/$case.json --out "$out" --quiet --set "log.every={\"steps\": $every}" --set "train.length={\"steps\": $n}" "$@" >/dev/null 2>&1; } 2>&1)
  echo "$(awk -v u="$used" 'BEGIN {split(u, t, " "); printf "%.0f", (t[1] + t[2]) * 1e6}') $(sqlite3 -readonly "$out/gantry.db" "SELECT 1e6 * train_s / step FROM runs") $(sqlite3 -readonly "$out/gantry.db" "SELECT count(DISTINCT metric_id) FROM scalar")" >>"$T/$name"
}
for _ in 1 2 3 4 5; do train once mlp32 $steps $steps; train always mlp32 1 $steps; done
for _ in 1 2 3; do train ring mlp32 4000 4000 --set g.arch.width=128 --set d.arch.width=128 --set train.batch=128; train image dcgan28 60 60; done
median() { cut -d' ' -f"$2" "$T/$1" | sort -n | sed -n "$(( ($(wc -l <"$T/$1") + 1) / 2 ))p"; }
point=$(paste -d' ' $T/once $T/always | awk -v n=$steps '{printf "%.2f\n", ($4 - $1) / (n - 1)}' | sort -n | sed -n 3p)
wait=$(paste -d' ' $T/once $T/always | awk -v n=$steps '{printf "%.2f\n", ($5 - $2) * n / (n - 1)}' | sort -n | sed -n 3p)
share() { awk -v p="$wait" -v s="$(median "$1" 2)" 'BEGIN {printf "%.2f %% of %s", 100 * p / (20 * s), s < 1000 ? sprintf("%.0f microseconds", s) : sprintf("%.0f ms", s / 1000)}'; }
cat >tests/bench/results/store.md <<TXT
# The database: measured

\`make bench-store\` on $(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)), SQLite $(sqlite3 --version | cut -d' ' -f1), $(uname -sr).

| what | measured | asked for |
|---|---|---|
| scalar rows a second into one file, from 8 processes, while a reader asks all the time | $(v rows_per_second) | 250 000 |
| bytes a row, indexes and clock rows included | $(v bytes_per_row) | at most 30 |
| questions of the reader meanwhile, refused | $(v reader_questions), $(v reader_refusals) | none refused |
| one series ($(v series_rows) points) out of $(sqlite3 -readonly $T/rows/gantry.db 'SELECT printf("%,d", count(*)) FROM scalar') rows | $(v series_ms) ms | 5 ms |
| \`gantry ls\` of 1000 runs with 50 metrics, whole process | $ls ms | 50 ms |
| a finished grid of $done_runs runs, run again, whole process | $again ms | 100 ms |
| a log point of $(median always 3) scalars, processor time of worker, pipe and writer together | $point microseconds | |
| of these, time that training waits | $wait microseconds | |
| that at every 20 steps (the default), beside a training step of DCGAN 28 x 28 | $(share image) | under 1 % |
| beside one of two MLPs of 2 x 128, batch 128 | $(share ring) | under 1 % |
| beside one of two MLPs of 2 x 32, batch 64: the smallest that anyone trains | $(share once) | under 1 % |
TXT
cat tests/bench/results/store.md
rm -rf $T
