#!/bin/bash
# recompute.sh [RUNS] - what train.recompute saves and costs: workspace and time of the steps of three bench cases on one thread, settings alternating RUNS times (3), the shortest and
# the longest of them. Writes results/recompute.md. The bench's images must be there (make bench CASE=dcgan48 draws them).
set -u
cd "$(dirname "$0")/../.."
export OMP_NUM_THREADS=1
out=tests/bench/results/recompute.md
{
  echo "# Values computed again instead of kept"
  echo
  echo "\`tests/bench/recompute.sh\`: one thread, $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(uname -sr), $(cc --version | head -1); shortest and longest of ${1:-3} times, settings alternating; each time the sum of every step's shortest of 8."
  echo
  echo "| case | program | train.recompute | workspace, MB | ms a program |"
  echo "|---|---|---|---|---|"
  for i in $(seq "${1:-3}"); do
    for c in dcgan32_sn dcgan48 sngan32; do for p in d_step g_step; do for r in 0 0.05 0.1 1; do
      echo "$c $p $r $(./gantry explain tests/bench/cases/$c.json --set train.recompute=$r --program $p --stage kernels --measure 8 2>/dev/null | sed -n 's/^program.*workspace \([0-9]*\).*/\1/p; s/^total.*measured \([0-9.]*\) us.*/\1/p' | tr '\n' ' ')"
    done; done; done
  done | awk 'NF == 5 { k = $1 " | " $2 " | " $3; if (!(k in least) || $5 < least[k]) least[k] = $5; if ($5 > most[k]) most[k] = $5; w[k] = $4 }
              END { for (k in w) printf "| %s | %.1f | %.1f to %.1f |\n", k, w[k] / 1e6, least[k] / 1e3, most[k] / 1e3 }' | sort
} >$out
cat $out
