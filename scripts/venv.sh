# Sourced by the other scripts: makes .venv in a fresh clone, installs the given extras, and puts it on PATH.
# Usage: . scripts/venv.sh EXTRAS
if [ ! -x .venv/bin/python ]; then
    for python in python3.13 python3.12 python3.11 python3 ""; do
        [ -n "$python" ] || { echo "jaxmm needs Python 3.11 or later; install one" >&2 && exit 1; }
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break
    done
    "$python" -m venv .venv
fi
export PATH="$PWD/.venv/bin:$PATH" PIP_DISABLE_PIP_VERSION_CHECK=1

wanted="$1 $(cksum <pyproject.toml)"
if ! grep -qxF "$wanted" .venv/installed 2>/dev/null; then
    echo "== installing jaxmm[$1] into .venv"
    python -m pip install --quiet --editable ".[$1]"
    echo "$wanted" >>.venv/installed
fi
