#!/bin/bash
# includes.sh - a room of harness/ includes only the rooms that the table below allows; plugins and the SDK only <gantry/...>, their own folder's headers
# and system headers. A cycle between rooms starts with one convenient include, so each is refused here.
cd "$(dirname "$0")/../.." || exit 1
bad=0
say() { echo "$1"; bad=1; }
below_abi="base ir ad opt plan"
below_exec="$below_abi abi"
declare -A may=(
  [base]="" [ir]="base" [ad]="base ir" [opt]="base ir" [plan]="base ir" [abi]="base ir ad" [exec]="$below_exec"
  [data]="base abi exec" [config]="base abi" [store]="base" [diag]="base config" [eval]="$below_exec exec data config store"
  [train]="$below_exec exec data config store diag eval" [check]="$below_exec exec" [sched]="base config store" [report]="base store diag"
  [cli]="$below_exec exec data config store diag eval train check sched report")
for dir in harness/*/; do
  room=$(basename "$dir")
  [ -n "${may[$room]+known}" ] || say "$dir: a room without a row in tests/scripts/includes.sh: say there what it may include"
done
while IFS=: read -r file line text; do
  room=$(echo "$file" | cut -d/ -f2)
  other=$(echo "$text" | sed 's/.*"\([^"]*\)".*/\1/')
  case $other in
    */*) other=${other%%/*} ;;
    *) say "$file:$line: \"$other\" names no room: write \"$room/$other\""; continue ;;
  esac
  [ "$other" = "$room" ] || echo " ${may[$room]-} " | grep -qF " $other " || say "$file:$line: room $room must not include $other; it may include: ${may[$room]:-nothing}"
done < <(grep -HnE '^ *# *include +"' harness/*/*.[ch])

# Libraries belong to one room each, or to the plugins.
for rule in "jansson.h:harness/config/" "sqlite3.h:harness/store/" "png.h:harness/base/" "elf.h:harness/abi/"; do
  for file in $(grep -lE "^ *# *include +<${rule%%:*}>" -r harness); do
    case $file in "${rule#*:}"*) ;; *) say "$file: <${rule%%:*}> is for ${rule#*:} alone" ;; esac
  done
done
grep -HnE '^ *# *include +<(cuda|cublas|cudnn|dnnl|cblas|lapacke|openblas)' -r harness sdk && say "compute libraries are for backend plugins alone"

pure='assert|complex|ctype|errno|float|inttypes|limits|math|stdalign|stdarg|stdbool|stddef|stdint|stdio|stdlib|string|tgmath'
own='^ *# *include +"[a-z0-9_]+\.h"'
while IFS=: read -r file line text; do
  echo "$text" | grep -qE "^ *# *include +<(gantry/[a-z0-9_/]+\.(h|def)|($pure)\.h)>" && continue
  case $file in
    sdk/abi/lock.c) continue ;; # compiled, never linked
    sdk/examples/*.rs) continue ;;
    sdk/include/gantry/cache.h) echo "$text" | grep -qE '^ *# *include +<(sys/stat|unistd)\.h>' && continue ;; # a folder of the system
    plugins/backends/*) echo "$text" | grep -qE '^ *# *include +<' && continue
      echo "$text" | grep -qE "$own" && continue ;;
    plugins/datasets/*) echo "$text" | grep -qE '^ *# *include +<' && continue
      echo "$text" | grep -qE "$own" && continue ;;
  esac
  say "$file:$line: $(echo "$text" | sed 's/^ *//'): the SDK and plugins include <gantry/...> and the C library, backends and data sets their libraries too"
done < <(grep -HnE '^ *# *include' -r plugins sdk --include=*.c --include=*.h --include=*.def)
exit $bad
