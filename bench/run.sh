#!/usr/bin/env bash
# Benchmarks beside the peers.
#   run.sh [BUILD] [scan|memory|graph|select|sampler|minhash|python|hnsw|filters|tenants|windows|disk|selection...]
# UPDATE=1 writes docs/benchmarks.md and, of selection, docs/selection.md. ROUNDS=3, ROWS change the size;
# disk is of 10,000,000 rows and needs 31 GB, ROWS=1000000 a tenth of it and a minute.
# QUICK=1 makes selection a matter of minutes, SCALE=0.02 scan one of seconds; SCAN="w1 w4" is a part of it.
set -u
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- scan memory graph select minhash sampler python hnsw filters tenants
venv=build/bench-venv
python=$venv/bin/python
if [ ! -x "$python" ] && ! python3 -m venv "$venv" 2>/dev/null; then
    echo "bench: no venv (Debian: apt-get install python3-venv): without peers" >&2
fi
if ! "$python" -c 'import numpy' 2>/dev/null && ! "$venv/bin/pip" install -q numpy; then
    python=python3
    if ! "$python" -c 'import numpy' 2>/dev/null; then
        echo "bench: no numpy here, and none can be installed: skipped" >&2
        exit 0
    fi
fi
if ! "$python" -c 'import faiss, sklearn' 2>/dev/null && ! "$venv/bin/pip" install -q faiss-cpu scikit-learn; then
    echo "bench: faiss-cpu and scikit-learn cannot be installed here: without them" >&2
fi
rc=0
for what in "$@"; do
    case $what in
    hnsw)
        "$python" -c 'import hnswlib' 2>/dev/null || "$venv/bin/pip" install -q hnswlib ||
            echo "bench: hnswlib cannot be installed here: ours alone" >&2
        "$python" bench/bench_hnsw.py "$build" || rc=1
        ;;
    memory | sampler | filters | tenants | windows | disk)
        "$python" "bench/bench_$what.py" "$build" || rc=1
        ;;
    scan)
        "$python" -c 'import superkmeans' 2>/dev/null ||
            "$venv/bin/pip" install -q --only-binary :all: superkmeans ||
            echo "bench: no wheel of superkmeans here: without it" >&2
        # The names are words.
        "$python" bench/bench_scan.py "$build" ${SCAN:-} || rc=1
        ;;
    graph)
        "$python" -c 'import pynndescent' 2>/dev/null || "$venv/bin/pip" install -q pynndescent ||
            echo "bench: pynndescent cannot be installed here: ours alone" >&2
        "$python" bench/bench_graph.py "$build" || rc=1
        ;;
    select)
        "$python" -c 'import apricot, scipy' 2>/dev/null ||
            "$venv/bin/pip" install -q apricot-select scipy ||
            echo "bench: apricot-select cannot be installed here: ours alone" >&2
        "$python" bench/bench_select.py "$build" || rc=1
        ;;
    minhash)
        "$python" -c 'import datasketch' 2>/dev/null || "$venv/bin/pip" install -q datasketch ||
            echo "bench: datasketch cannot be installed here: ours alone" >&2
        "$python" bench/bench_minhash.py "$build" || rc=1
        ;;
    python)
        "$venv/bin/pip" install -q . || { rc=1; continue; }
        "$python" bench/bench_python.py "$build" || rc=1
        ;;
    selection) "$python" bench/bench_selection.py "$build" ${QUICK:+--quick} || rc=1 ;;
    *)
        echo "bench: no benchmark '$what': scan, memory, graph, select, sampler, minhash, python, hnsw," \
            "filters, tenants, windows, disk or selection" >&2
        rc=2
        ;;
    esac
done
exit $rc
