#!/usr/bin/env bash
# Certifies every committed classifier on its test inputs (PGD, then bounds up to CROWN: minutes, where branch and bound takes
# hours) and prints the README's table; reports go to certus-out/.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --quiet --bin certus --example tradeoff
certus=${CARGO_TARGET_DIR:-target}/release/certus
dirs=()
campaign() { # folder, data file, eps
    for way in plain adv cert; do
        for net in mlp cnn; do
            model=models/$1/${net}_$way.onnx
            [ -f "$model" ] || continue
            dir=certus-out/$1-${net}_$way
            "$certus" certify "$model" --data "models/$1/$2" --eps "$3" --method crown --out "$dir" --resume --quiet >/dev/null
            dirs+=("$dir")
        done
    done
}
campaign mnist test.npz 0.1
campaign fashion t500-images-idx3-ubyte.gz 0.05
campaign breast_cancer test.csv 0.3
"${CARGO_TARGET_DIR:-target}/release/examples/tradeoff" "${dirs[@]}"
