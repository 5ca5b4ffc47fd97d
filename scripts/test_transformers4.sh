#!/usr/bin/env bash
# Runs the tests that need the Flax classes of transformers 4, which cannot share an environment with transformers 5.
# .venv-transformers4 holds only what differs and takes the rest from .venv. Arguments replace the tests to run.
set -euo pipefail
cd "$(dirname "$0")/.."
exec </dev/null

extras="all,test,parity"
[ -z "${JAXMM_WITHOUT_TORCH:-}" ] || extras="all,test"
. scripts/venv.sh "$extras"

lane=.venv-transformers4
wanted="transformers==4.57.6"
stamp="$wanted $(python -V)"
if ! grep -qxF "$stamp" "$lane/installed" 2>/dev/null; then
    echo "== installing $wanted into $lane"
    python -m venv --clear "$lane"
    # A folder of packages that comes after the lane's own; addsitedir follows editable installs too.
    python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
        >"$("$lane/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/zz_base.pth"
    "$lane/bin/python" -m pip install --quiet "$wanted"
    echo "$stamp" >"$lane/installed"
fi

[ "$#" -gt 0 ] || set -- tests/parity/test_hf_flax.py tests/unit/weights tests/unit/test_hub.py
export OMP_NUM_THREADS=1
"$lane/bin/python" -c 'import jaxmm, transformers; assert transformers.FlaxAutoModel; print("==", transformers.__version__)'
exec "$lane/bin/python" -m pytest "$@"
