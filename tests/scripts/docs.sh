#!/bin/bash
# docs.sh - what the SDK's pages say is so: the operations page is generated from the table as it is, links lead somewhere, every name of the SDK exists, every test of
# `gantry plugins check` is explained and every one explained exists.
cd "$(dirname "$0")/../.." || exit 1
bad=0
say() { echo "$1"; bad=1; }
sh sdk/docs/make_ops.sh | cmp -s - sdk/docs/ops.md || say "sdk/docs/ops.md is not current: sh sdk/docs/make_ops.sh >sdk/docs/ops.md"
for page in sdk/docs/*.md sdk/abi/ABI.md; do
  while read -r link; do
    [ -e "$(dirname "$page")/$link" ] || say "$page: no file $link"
  done < <(grep -oE '\]\([a-zA-Z0-9_./-]+\)' "$page" | sed 's/^](//; s/)$//')
  while read -r name; do
    grep -rqwF "$name" sdk/include sdk/plugin.mk || case $name in GANTRY_PLUGIN_PATH|GANTRY_OUT|gan_) ;; *) say "$page: the SDK has no $name" ;; esac
  done < <(grep -oE '\b(gan_[a-z0-9_]+|GANTRY_[A-Z0-9_]+)\b' "$page" | sort -u)
done
if [ -x "${GANTRY:-build/release/gantry}" ]; then
  "${GANTRY:-build/release/gantry}" plugins check --tests | awk '{print $1}' >"${TMPDIR:-/tmp}/gantry-docs-$$"
  while read -r id; do
    grep -qE "\`$id(/\.\.\.)?\`" sdk/docs/check.md || grep -qF "\`${id%%-*}-*\`" sdk/docs/check.md || say "sdk/docs/check.md does not explain the test $id"
  done <"${TMPDIR:-/tmp}/gantry-docs-$$"
  rm -f "${TMPDIR:-/tmp}/gantry-docs-$$"
fi
exit $bad
