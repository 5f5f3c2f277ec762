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
TXT
cat tests/bench/results/store.md
rm -rf $T
