#!/bin/bash
# gpu_unverified.sh - the list of what no GPU has executed yet is the one that follows from the sources and from what GPUs are recorded to have seen.
cd "$(dirname "$0")/../.." || exit 1
bash tests/gpu/unverified.sh --check
