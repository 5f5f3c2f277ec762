#!/bin/bash
# headers.sh - every SDK header compiles alone, as C11 and as C++17; the structs that cross the boundary have no padding.
cd "$(dirname "$0")/../.." || exit 1
command -v g++ >/dev/null || { echo "no g++: headers were not tried as C++17"; exit 77; }
T=$(mktemp -d /tmp/gantry-headers-XXXXXX)
trap 'rm -rf "$T"' EXIT
warn="-Wall -Wextra -Wpedantic -Werror -fsyntax-only -Isdk/include"
abi=" abi.h loss.h arch.h optim.h regularizer.h metric.h dataset.h program.h backend.h "
bad=0
for path in sdk/include/gantry/*.h sdk/include/gantry/nn/*.h; do
  name=${path#sdk/include/gantry/}
  padded=
  case $abi in *" $name "*) padded=-Wpadded ;; esac
  echo "#include <gantry/$name>" >"$T/alone.c"
  cp "$T/alone.c" "$T/alone.cc"
  gcc -std=c11 $warn $padded "$T/alone.c" || { echo "$path is not clean as C11"; bad=1; }
  g++ -std=c++17 $warn $padded "$T/alone.cc" || { echo "$path is not clean as C++17"; bad=1; }
done
for name in $abi; do [ -f "sdk/include/gantry/$name" ] || { echo "sdk/include/gantry/$name is missing"; bad=1; }; done
exit $bad
