#!/bin/bash
# dist.sh BUILD VERSION - dist/gantry-VERSION-<machine>.tar.gz: a folder that runs where it is unpacked. gantry and plugins/ as in the build, the libraries
# they need in lib/ (found by $ORIGIN; not the C library, and nothing of CUDA, which the backend looks for itself), experiments/, sdk/, and
# tests/gpu with what it runs, so that a machine with a GPU and no Debian packages can check and measure.
set -euo pipefail
B=$1
name=gantry-$2-$(uname -m)
to=dist/$name
rm -rf "$to"
mkdir -p "$to/lib" "$to/tests/backends_cuda" "$to/tests/gpu" "$to/tests/bench/results" "$to/bench"
cp "$B/gantry" "$to/"
(cd "$B" && find plugins -name '*.so' -o -name '*.safetensors' | cpio -pdm --quiet "$OLDPWD/$to" 2>/dev/null) || (cd "$B" && find plugins \( -name '*.so' -o -name '*.safetensors' \) -exec cp --parents {} "$OLDPWD/$to" \;)
for t in "$B"/tests/backends_cuda/test_*; do case $t in *.d) ;; *) [ -x "$t" ] && cp "$t" "$to/tests/backends_cuda/" ;; esac; done
[ -f "$B/tests/cuda_double.so" ] && cp "$B/tests/cuda_double.so" "$to/tests/"
cp "$B/bench/step_server" "$to/bench/"
cp tests/gpu/*.sh "$to/tests/gpu/"
cp -r tests/bench/gpu tests/bench/peer.py tests/bench/bench.py "$to/tests/bench/"
mkdir -p "$to/tests/bench/cases" "$to/plugins/backends/cuda/kernels"
cp tests/bench/cases/*.json "$to/tests/bench/cases/"
cp plugins/backends/cuda/kernels/*.cu "$to/plugins/backends/cuda/kernels/" # unverified.sh names them
cp -r experiments sdk README.md LICENSE "$to/"
printf '%s\n' '# The checks of the build tree, from this folder.' 'check-gpu:' '	@tests/gpu/check.sh' 'bench-gpu:' '	@tests/gpu/bench.sh $(CASE)' '.PHONY: check-gpu bench-gpu' >"$to/Makefile"
# libraries, but not the C library's own
find "$to" -type f \( -name '*.so' -o -perm -u+x \) -exec sh -c 'ldd "$1" 2>/dev/null' _ {} \; | awk '$2 == "=>" && $3 ~ /^\// {print $3}' | sort -u | while read -r so; do
  case $(basename "$so") in libc.so*|libm.so*|libdl.so*|libpthread.so*|librt.so*|ld-linux*|libcuda*|libcudnn*|libcublas*|libnvrtc*) ;; *) cp -L "$so" "$to/lib/" ;; esac
done
find "$to" -type f \( -name '*.so*' -o -name gantry -o -name 'test_*' -o -name step_server \) -exec strip --strip-debug {} + 2>/dev/null || true
tar -C dist -czf "dist/$name.tar.gz" "$name"
echo "dist/$name.tar.gz: $(du -h "dist/$name.tar.gz" | cut -f1), $(ls "$to/lib" | wc -l) libraries"
rm -rf "$to"
