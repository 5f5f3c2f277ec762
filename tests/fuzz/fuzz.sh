#!/bin/bash
# fuzz.sh SECONDS [TARGET...] - every fuzz target for so many seconds, from tests/fuzz/corpus and from files that are made here. Prints a line per target; an input that
# crashes one is kept under build/fuzz/found and is a failure (after the mend it goes into the corpus). Ends with "N passed, N failed, N skipped"; with FOUND=1 the
# corpus grown on the way stays in build/fuzz/corpus for the next call.
set -u
cd "$(dirname "$0")/../.."
seconds=${1:-10}; shift
B=build/fuzz
if ! command -v clang >/dev/null || ! echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return !d && n; }' | clang -x c -fsanitize=fuzzer,address -o /dev/null - 2>/dev/null; then
  echo "skip fuzz: clang with libFuzzer is not installed (Debian: apt-get install clang libclang-rt-14-dev)"
  echo "0 passed, 0 failed, 1 skipped"
  exit 0
fi
mkdir -p $B/found
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1
flags="-std=c11 -D_GNU_SOURCE -DGANTRY_SANITIZED -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -ffp-contract=off -Isdk/include -Iharness"
build_one() { # source
  local o=$B/${1%.c}.o
  mkdir -p "$(dirname "$o")"
  [ "$o" -nt "$1" ] && [ -z "$(find harness sdk -name '*.h' -newer "$o" -print -quit)" ] && return
  clang $flags -c -o "$o" "$1" || echo "$1" >>$B/broken
}
export -f build_one; export B flags
rm -f $B/broken
find harness -name '*.c' ! -path harness/cli/main.c | xargs -P "$(env -u OMP_NUM_THREADS nproc)" -I{} bash -c 'build_one {}' >$B/log 2>&1
[ -e $B/broken ] && { echo "not ok fuzz: $(head -1 $B/broken) does not build: $(grep -m1 error $B/log)"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
rm -f $B/host.a; find $B/harness -name '*.o' | xargs ar rcs $B/host.a
# seeds that would be too large or too many to commit
seed() { mkdir -p "$B/corpus/$1"; cp -n "$2" "$B/corpus/$1/$(sha256sum <"$2" | cut -c1-16)" 2>/dev/null; }
for f in experiments/*.json tests/fixtures/experiments/*.json tests/cases/*/*/*.json; do seed experiment "$f"; done
for f in build/release/plugins/losses/hinge.so build/release/plugins/metrics/fd.so build/release/plugins/optim/adam.so; do [ -f "$f" ] && seed elf "$f"; done
for f in experiments/demo.png; do { printf '\1'; cat "$f"; } >$B/seed; seed images $B/seed; done
passed=0 failed=0
targets=${*:-$(cd tests/fuzz && ls fuzz_*.c | sed 's/fuzz_\(.*\)\.c/\1/')}
one() {
  local t=$1 said
  mkdir -p $B/corpus/"$t" tests/fuzz/corpus/"$t"
  if ! clang $flags -fsanitize=fuzzer,address,undefined -o $B/fuzz_"$t" tests/fuzz/fuzz_"$t".c $B/host.a -ljansson -lsqlite3 -lpng -ljpeg -lz -llzma -lmd -lnettle -lm -ldl -lpthread 2>$B/"$t".log; then
    echo "not ok fuzz/$t: does not build: $(grep -m1 -E 'error|undefined' $B/"$t".log)"; return
  fi
  GANTRY_BUILD=$PWD/build/release nice $B/fuzz_"$t" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=4000 -max_len=65536 -artifact_prefix=$B/found/"$t"- -print_final_stats=1 -verbosity=0 $B/corpus/"$t" tests/fuzz/corpus/"$t" >$B/"$t".log 2>&1
  local rc=$?
  said=$(sed -n 's/stat::number_of_executed_units: *//p' $B/"$t".log)
  if [ $rc = 0 ]; then echo "ok fuzz/$t $said inputs, $(ls $B/corpus/"$t" | wc -l) in the corpus"
  else echo "not ok fuzz/$t: $(grep -m1 -E 'ERROR|runtime error|deadly signal|Assertion' $B/"$t".log) ($(ls -t $B/found/"$t"-* 2>/dev/null | head -1))"; fi
}
export -f one; export seconds
echo $targets | tr ' ' '\n' | xargs -P "$(env -u OMP_NUM_THREADS nproc)" -I{} bash -c 'one {}' | tee $B/said
passed=$(grep -c '^ok ' $B/said); failed=$(grep -c '^not ok ' $B/said)
[ -n "${FOUND:-}" ] || for t in $targets; do rm -rf $B/corpus/"$t"; done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
