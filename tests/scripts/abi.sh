#!/bin/bash
# abi.sh - the second and third gate of the ABI (sdk/abi/ABI.md): the boundary as abidw sees it against the committed dump, without suppressions; and what every built plugin
# exports and imports, as nm sees it, against the lists. Until the freeze at 1.0 a difference of the dump is told and skipped; after it, it fails.
cd "$(dirname "$0")/../.." || exit 1
B=${GANTRY_BUILD:-build/release}
T=$(mktemp -d /tmp/gantry-abi-XXXXXX)
trap 'rm -rf "$T"' EXIT
bad=0
# the list is the loader's
sed -n '/ allowed\[\] = {/,/NULL}/p; / maths\[\] = {/,/NULL}/p' harness/abi/validate.c | grep -oE '"[a-z_0-9]+"' | tr -d '"' | sort -u >"$T/loader"
comm -23 "$T/loader" <(sort sdk/abi/imports.txt) | grep . && { echo "validate.c allows more than sdk/abi/imports.txt lists"; bad=1; }
case $B in
  */release)
    for so in "$B"/plugins/*/*.so; do
      kind=$(basename "$(dirname "$so")")
      exports=$(nm -D --defined-only "$so" | awk '{print $3}' | tr '\n' ' ')
      [ "$exports" = "gantry_plugin_v0 " ] || { echo "$so exports $exports"; bad=1; }
      case $kind in datasets|backends) continue ;; esac
      nm -D --undefined-only "$so" | awk '{print $2}' | sed 's/@.*//' >>"$T/imports"
    done
    sort -u "$T/imports" | comm -23 - <(sort sdk/abi/imports.txt) >"$T/new"
    [ -s "$T/new" ] && { echo "pure plugins import what sdk/abi/imports.txt does not list: $(tr '\n' ' ' <"$T/new")"; bad=1; } ;;
esac
[ $bad = 1 ] && exit 1
command -v abidiff >/dev/null || { echo "no abidiff: the dump was not compared (package abigail-tools)"; exit 77; }
major=$(sed -n 's/^#define GANTRY_ABI_MAJOR //p' sdk/include/gantry/abi.h)
cc -std=c11 -g -O0 -fPIC -shared -nostartfiles -Isdk/include -o "$T/probe.so" tests/abi/probe.c || exit 1
abidw --no-show-locs --no-corpus-path --no-comp-dir-path --out-file "$T/now.abi" "$T/probe.so" || exit 1
abidiff sdk/abi/v0.abi "$T/now.abi" >"$T/said" 2>&1 && exit 0
grep -m3 -E 'changed|added|removed' "$T/said"
echo "the boundary changed since the last dump: if that is meant, record it with make abi-dump (sdk/abi/ABI.md)"
[ "$major" = 0 ] && exit 77
exit 1
