#!/bin/bash
# Decides an instance and writes the result file: unsat, sat with the counterexample, unknown, timeout or error.
# VNN-COMP calls: run_instance.sh v1 CATEGORY ONNX VNNLIB RESULTS TIMEOUT
set -uo pipefail

if [ "${1:-}" != v1 ] || [ $# -ne 6 ]; then
    echo "run_instance.sh: expected 'v1 CATEGORY ONNX VNNLIB RESULTS TIMEOUT', got '$*'" >&2
    exit 1
fi
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
certus="${CERTUS:-$root/target/release/certus}"
onnx="$3" vnnlib="$4" results="$5" timeout="$6"

rm -f -- "$results"
"$certus" verify --vnncomp --timeout "$timeout" --counterexample "$results" -- "$onnx" "$vnnlib"
code=$?
case $code in
    0 | 10 | 20) exit 0 ;;
    *)
        echo error >"$results"
        exit "$code"
        ;;
esac
