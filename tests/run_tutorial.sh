#!/bin/bash
# run_tutorial.sh FILE.md - does what a reader does in the current folder: writes each fenced block "```LANG FILE" to FILE and runs each "```sh" block, in order, in one
# shell that stops at the first failure and says which command it was.
set -u
script=$(mktemp /tmp/gantry-tutorial-XXXXXX)
trap 'rm -f "$script"' EXIT
awk '
  /^```sh$/ { inside = "sh"; next }
  /^```[a-z]+ .+$/ { inside = "file"; split($0, a, " "); printf "mkdir -p \"$(dirname %s)\" && cat >%s <<\047END_OF_FILE\047\n", a[2], a[2]; next }
  /^```/ { if (inside == "file") print "END_OF_FILE"; inside = inside == "" ? "other" : ""; next }
  inside == "sh" { printf "echo \"> $(cat <<\047X\047\n%s\nX\n)\"\n%s || { echo \"the command failed: $(cat <<\047X\047\n%s\nX\n)\" >&2; exit 1; }\n", $0, $0, $0; next }
  inside == "file" { print }' "$1" >"$script"
bash "$script"
