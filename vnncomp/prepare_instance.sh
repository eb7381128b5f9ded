#!/bin/bash
# Checks that an instance can be run, and reads its files once so that they are in memory.
# VNN-COMP calls: prepare_instance.sh v1 CATEGORY ONNX VNNLIB. An exit code other than 0 skips the instance.
set -euo pipefail

if [ "${1:-}" != v1 ] || [ $# -lt 4 ]; then
    echo "prepare_instance.sh: expected 'v1 CATEGORY ONNX VNNLIB', got '$*'" >&2
    exit 1
fi
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
certus="${CERTUS:-$root/target/release/certus}"

if [ ! -x "$certus" ]; then
    echo "prepare_instance.sh: $certus is absent; run install_tool.sh first" >&2
    exit 1
fi
cat "$certus" "$3" "$4" >/dev/null
