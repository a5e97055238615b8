#!/usr/bin/env bash
# The main job on real text: WordNet's 117,659 glosses -> 10,000, balanced.   demo.sh [BUILD]
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
out=$build/demo/out
tools/install_deps.sh demo
mkdir -p "$build/demo"
if [ ! -s "$build/demo/wordnet.jsonl" ]; then
    python3 tools/wordnet_jsonl.py "$build/demo/wordnet.jsonl"
fi
command=("$build/winnow" curate "$build/demo/wordnet.jsonl" --text gloss --balance category --id id
         --size 10000 --force -o "$out")
echo "\$ ${command[*]}"
"${command[@]}"
echo
echo "report: $(cd "$out" && pwd)/report.html"
echo "why:    $build/winnow why $out --row n00001740"
