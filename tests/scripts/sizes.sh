#!/bin/bash
# sizes.sh - no source file above 800 lines; those above 400 are named, since they are the next to be split.
cd "$(dirname "$0")/../.." || exit 1
bad=0
while read -r lines file; do
  if [ "$lines" -gt 800 ]; then
    echo "$file has $lines lines, 800 are the limit: split it by thing"
    bad=1
  elif [ "$lines" -gt 400 ]; then
    echo "$file has $lines lines: more than the 400 aimed at"
  fi
done < <(find harness plugins sdk tests \( -name '*.c' -o -name '*.h' -o -name '*.def' -o -name '*.sh' -o -name '*.py' \) -exec wc -l {} + | awk '$2 != "total"' | sort -rn)
exit $bad
