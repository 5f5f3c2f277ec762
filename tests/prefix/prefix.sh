#!/bin/bash
# prefix.sh - gantry as a user has it: installed, moved to another place, used by someone who has only that. A plugin of every kind is made from its
# template, built and trained; shells complete; the manual page is well formed; the JSON Schema accepts every ready experiment and refuses broken ones.
# Ends with "N passed, N failed, N skipped".
set -u
cd "$(dirname "$0")/../.."
T=$(mktemp -d /tmp/gantry-prefix-XXXXXX)
trap 'rm -rf "$T"' EXIT
passed=0 failed=0 skipped=0
ok() { passed=$((passed + 1)); }
bad() { echo "not ok prefix/$1: $(tail -3 "$T/said" | tr '\n' ' ')"; failed=$((failed + 1)); }
try() { local n=$1; shift; if "$@" >"$T/said" 2>&1; then ok; else bad "$n"; fi; }
skip() { echo "skip prefix/$1: $2"; skipped=$((skipped + 1)); }

make install DESTDIR="$T/build" PREFIX=/opt/gantry >"$T/said" 2>&1 || { bad install; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
experiments=$PWD/experiments
mv "$T/build/opt/gantry" "$T/prefix"
export PATH=$T/prefix/bin:$PATH PKG_CONFIG_PATH=$T/prefix/lib/pkgconfig OMP_NUM_THREADS=1
unset GANTRY GANTRY_ROOT GANTRY_BUILD GANTRY_PLUGIN_PATH GANTRY_OUT
mkdir "$T/home"; cd "$T/home" || exit 1

nothing_of_the_tree() { ! grep -rl "$experiments" "$T/prefix/share" "$T/prefix/lib/pkgconfig"; }
try no_path_of_the_source_tree nothing_of_the_tree

one_kind() { # kind: make, train, describe
  gantry plugins new "$1" "my_$1" && make -C "my_$1" check && gantry plugins describe "$1/my_$1" --plugin "my_$1/my_$1.so" | grep -q "my_$1  0.1.0" &&
    gantry run "my_$1/try.json" --plugin "my_$1/my_$1.so" --out "out_$1" --smoke --quiet && gantry query --out "out_$1" "SELECT count(*) n FROM runs WHERE status='done'" --csv | grep -qx 2
}
for k in loss arch optim regularizer metric dataset; do try "new_$k" one_kind $k; done
from_pkg_config() { sed 's/$(wildcard [^)]*)//' my_loss/Makefile >my_loss/Makefile2 && rm my_loss/my_loss.so && make -C my_loss -f Makefile2 && test -s my_loss/my_loss.so; }
try make_by_pkg_config from_pkg_config
refusals() {
  gantry plugins new loss hinge 2>&1 | grep -q 'there is a loss "hinge" already' && gantry plugins new los mine 2>&1 | grep -q 'did you mean loss' && gantry plugins new loss Mine 2>&1 | grep -q 'lower-case' &&
    gantry plugins new loss my_loss2 my_loss 2>&1 | grep -q 'not empty' && [ "$(gantry plugins new loss 2>&1 >/dev/null | grep -c 'as in')" = 1 ]
}
try new_refuses refusals

complete() { bash -c 'source "$1"/share/bash-completion/completions/gantry; shift; COMP_WORDS=(gantry "$@"); COMP_CWORD=$#; _gantry 2>/dev/null; printf "%s\n" "${COMPREPLY[@]}"' bash "$T/prefix" "$@"; }
completes() {
  complete ru | grep -qx run && complete run --max | grep -qx -- --max-failures && complete plugins describe mode | grep -qx mode_coverage && complete show --out out_loss try_my_loss | grep -qx try_my_loss_smoke/0/1 &&
    complete run my_loss/t | grep -qx my_loss/try.json && complete ls --out out_loss try | grep -qx try_my_loss_smoke && [ -z "$(complete nonsense x | head -c1)" ]
}
try bash_completion completes
if command -v zsh >/dev/null; then try zsh_completion zsh -n "$T/prefix/share/zsh/site-functions/_gantry"; else skip zsh_completion "zsh is not installed"; fi
if command -v fish >/dev/null; then try fish_completion fish -n "$T/prefix/share/fish/vendor_completions.d/gantry.fish"; else skip fish_completion "fish is not installed"; fi

manual() { gzip -dc "$T/prefix/share/man/man1/gantry.1.gz" >page && for c in $(gantry help | sed -n 's/^  gantry \([a-z]*\).*/\1/p'); do grep -q "^.SS \"gantry $c\"" page || { echo "nothing on $c"; return 1; }; done; }
try manual_names_every_command manual
if command -v groff >/dev/null; then
  well_formed() { groff -man -Tutf8 -ww -z page 2>warned; [ ! -s warned ] || { cat warned; return 1; }; }
  try manual_is_well_formed well_formed
else skip manual_is_well_formed "groff is not installed"; fi

if /usr/bin/python3 -c 'import jsonschema' 2>/dev/null; then
  try schema_by_a_validator /usr/bin/python3 - "$experiments" <<'PY'
import copy, glob, json, subprocess, sys
import jsonschema
schema = json.loads(subprocess.run(["gantry", "plugins", "schema"], capture_output=True, check=True).stdout)
jsonschema.Draft7Validator.check_schema(schema)
check = jsonschema.Draft7Validator(schema)
files = glob.glob(sys.argv[1] + "/*.json") + glob.glob(sys.argv[1] + "/*/*.json")
assert len(files) >= 5, files
for f in files:
    wrong = [e.message for e in check.iter_errors(json.load(open(f)))]
    assert not wrong, (f, wrong[:1])
ring = json.load(open(sys.argv[1] + "/ring.json"))
def broken(change):
    x = copy.deepcopy(ring)
    change(x)
    assert list(check.iter_errors(x)), change
broken(lambda x: x.update(axess={}))
broken(lambda x: x["base"].update(los={}))
broken(lambda x: x["base"]["train"].update(batch=0))
broken(lambda x: x["base"]["train"].update(init_seed=-1))
broken(lambda x: x["base"]["data"].update(name="gausians"))
broken(lambda x: x["base"]["g"]["optim"].update(lr="fast"))
broken(lambda x: x["base"]["train"].update(length=5))
x = copy.deepcopy(ring)
x["base"]["train"].update(init_seed=3, data_seed=4, noise_seed=None, init_from="w.safetensors")
x["base"]["data"].update(limit=10, limit_seed=4)
assert not list(check.iter_errors(x))
PY
else skip schema_by_a_validator "python3-jsonschema is not installed"; fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
