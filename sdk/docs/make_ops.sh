#!/bin/sh
# make_ops.sh - writes ops.md from <gantry/ops.def> and the wrappers of <gantry/ops.h>:  sh sdk/docs/make_ops.sh >sdk/docs/ops.md
cd "$(dirname "$0")/../include/gantry" || exit 1
cat <<'END'
# Operations

Written by `sdk/docs/make_ops.sh` from `<gantry/ops.def>`, the one table that opcode numbers, shapes, gradients and tests follow. In C an operation is called by its
wrapper in `<gantry/ops.h>`; attributes are its further arguments.

- **class**: *source* has no tensor inputs; *map* works element by element and broadcasts as NumPy does; *move* rearranges; *reduce* makes axes disappear; *lib* is a step of
  its own; *control* is the identity on values.
- **gradient**: *yes*, to any order; *kink*: almost everywhere; *none*: nothing passes. Every gradient is made of operations of this table.
- Images are N [D] H W C, filters O [kd] kh kw I. Results are the same bits on every run; see `<gantry/scalar.h>` for the accuracy of elementwise ones.
END
awk '
  function flush() { if (title != "") printf "\n## %s\n\n| no. | operation | in C | inputs | class | gradient | what |\n|---|---|---|---|---|---|---|\n%s", title, rows; rows = "" }
  FNR == NR { # ops.h: which wrapper calls which opcode
    if (match($0, /^GAN_(UNARY|BINARY)\(/)) { s = substr($0, RLENGTH + 1); sub(/\).*/, "", s); split(s, a, ", "); c[a[2]] = c[a[2]] (c[a[2]] == "" ? "" : ", ") "`" a[1] "`"; next }
    if (match($0, /gantry_(t|status) gan_[a-z_0-9]+\(/)) { fn = substr($0, RSTART, RLENGTH - 1); sub(/.* /, "", fn) }
    line = $0
    while (match(line, /GANTRY_OP_[A-Z_0-9]+/)) {
      op = substr(line, RSTART + 10, RLENGTH - 10)
      if (fn != "" && index(c[op], "`" fn "`") == 0) c[op] = c[op] (c[op] == "" ? "" : ", ") "`" fn "`"
      line = substr(line, RSTART + RLENGTH)
    }
    next
  }
  /^\/\* [a-z]/ && /\*\/$/ { flush(); title = $0; sub(/^\/\* /, "", title); sub(/ \*\/$/, "", title); title = toupper(substr(title, 1, 1)) substr(title, 2); next }
  /^OP\(/ {
    s = $0; sub(/^OP\(/, "", s); doc = s; sub(/^[^"]*"/, "", doc); sub(/"\)$/, "", doc); gsub(/\|/, "\\|", doc)
    split(s, a, /, */)
    grad = a[5] == "DIFF" ? "yes" : a[5] == "KINK" ? "kink" : "none"
    rows = rows sprintf("| %s | %s | %s | %s | %s | %s | %s |\n", a[1], a[2], c[a[2]] == "" ? "" : c[a[2]], a[3] == "-1" ? "1 or more" : a[3], tolower(a[4]), grad, doc)
  }
  END { flush() }' ops.h ops.def
