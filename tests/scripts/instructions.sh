#!/bin/bash
# instructions.sh - what planning costs, in instructions, which a busy machine does not change: optimising, grouping, ordering, laying out, verifying and
# compiling every program of one small experiment (the interpreter's part; the compiler of generated C is another process). More than a tenth above the
# number in tests/bench/instructions.txt fails; a tenth below asks for the new number. valgrind has no AVX-512, so libraries are held at AVX2.
cd "$(dirname "$0")/../.." || exit 1
command -v valgrind >/dev/null || { echo "no valgrind"; exit 77; }
case ${GANTRY_BUILD:-build/release} in */release) ;; *) echo "counted in release builds only"; exit 77 ;; esac
export DNNL_MAX_CPU_ISA=AVX2 OPENBLAS_CORETYPE=Haswell GANTRY_KERNELS=interpret OMP_NUM_THREADS=1
had=$(sed -n 's/^planning ring: *//p' tests/bench/instructions.txt)
# How often a growing array moves depends on where it lies, a twentieth of the whole; so the least of three counts is meant, and the first that is low enough ends it.
now=0
for try in 1 2 3; do
  said=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect=exec_compile_in "${GANTRY:-./gantry}" explain experiments/ring.json --cell 1 --stage plan 2>&1 >/dev/null)
  count=$(echo "$said" | sed -n 's/.*Collected : *//p')
  [ -n "$count" ] && [ "$count" -gt 0 ] || { echo "callgrind counted nothing: $said"; exit 1; }
  [ "$now" -gt 0 ] && [ "$now" -le "$count" ] || now=$count
  [ "$now" -gt $((had + had / 10)) ] || break
done
if [ "$now" -gt $((had + had / 10)) ]; then echo "planning takes $now instructions, $had before: find out why, or write the new number into tests/bench/instructions.txt with the reason in the commit"; exit 1; fi
if [ "$now" -lt $((had - had / 10)) ]; then echo "planning takes $now instructions, $had before: write the better number into tests/bench/instructions.txt"; exit 1; fi
exit 0
