#!/usr/bin/env bash
# Builds the wheel, installs it in a fresh environment and runs its tests. Skips, loudly, without Python 3.9 or later, pip or a package index.
set -euo pipefail
cd "$(dirname "$0")/.."
skip() {
    echo "SKIPPED: the Python package was neither built nor tested: $1" >&2
    exit 0
}
python=$(command -v python3) || skip "there is no python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' || skip "$("$python" --version) is older than 3.9"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! "$python" -m venv "$folder/venv" 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv; } >/dev/null 2>&1 || true
    fi
    "$python" -m venv "$folder/venv" 2>/dev/null || skip "python3 -m venv does not work"
fi
pip() { "$folder/venv/bin/pip" install --quiet --disable-pip-version-check "$@"; }
pip 'maturin>=1.7,<2' 2>/dev/null || skip "maturin cannot be installed"
# The library is compiled once more here, without the features of the tests; incremental builds would take longer from nothing.
CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/python" "$folder/venv/bin/maturin" build --release --manifest-path python/Cargo.toml --out "$folder/wheels" --quiet
wheel=$(ls "$folder"/wheels/*.whl)
size=$(stat -c %s "$wheel" 2>/dev/null || stat -f %z "$wheel")
echo "wheel: $(basename "$wheel"), $((size / 1000)) kB"
[ "$size" -lt 20000000 ] || { echo "the wheel is larger than 20 MB" >&2; exit 1; }
"$python" -m venv "$folder/fresh"
"$folder/fresh/bin/pip" install --quiet --disable-pip-version-check "$wheel[test]" || skip "what its tests need cannot be installed"
"$folder/fresh/bin/python" -m pytest python/tests -q -p no:cacheprovider
