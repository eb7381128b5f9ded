#!/bin/bash
# Builds certus. VNN-COMP calls: install_tool.sh v1
set -euo pipefail

if [ "${1:-}" != v1 ]; then
    echo "install_tool.sh: expected 'v1', got '${1:-}'" >&2
    exit 1
fi
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

if ! command -v cc >/dev/null; then
    sudo apt-get update
    sudo apt-get install -y build-essential
fi
if ! command -v cargo >/dev/null && [ ! -x "$HOME/.cargo/bin/cargo" ]; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
fi
export PATH="$PATH:$HOME/.cargo/bin"

cargo build --release --locked --manifest-path "$root/Cargo.toml" --target-dir "$root/target"
"$root/target/release/certus" --version
