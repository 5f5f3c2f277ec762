#!/bin/bash
# proof.sh - `make proof-chaos`: the full disturbance, and its record in RESULTS.md.
set -u
cd "$(dirname "$0")/../.."
t0=$(date +%s)
GANTRY=$PWD/gantry tests/chaos/chaos.sh "${KILLS:-200}" 3 2>/dev/null | tee build/chaos.log
rc=${PIPESTATUS[0]}
cat >tests/chaos/RESULTS.md <<TXT
# Killed at every place, and at random

\`make proof-chaos\`: a grid of four runs (R1 lazily, averaged weights, metrics, samples, best checkpoints) is killed with SIGKILL three times at each of the
$(grep -rhoE 'fault_point\("[a-z._]+"\)' harness | sort -u | wc -l) named places (first, middle, last arrival, in parent or worker) and ${KILLS:-200} times at random instants (parent, worker, or both), and started again after each.
At the end weights, best checkpoints, sample pictures, metric rows, logged values and artifacts equal those of the undisturbed run byte for byte, integrity_check
passes, and no row is missing or there twice. Passed are counted once for each kill at a place and once for each grid that was finished between the random ones (fewer on a busy machine).

$(tail -1 build/chaos.log), $((($(date +%s) - t0) / 60)) minutes on $(nproc) cores ($(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)), SQLite $(sqlite3 --version | cut -d' ' -f1), $(uname -sr).
$(grep '^not ok' build/chaos.log)
TXT
exit "$rc"
