#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment without torch and runs its demo from outside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python -m build --wheel --no-isolation --outdir "$work" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt "$work"/*.whl
cd "$work"
"$work/venv/bin/avatar-driver" --demo --duration 5 --quiet --record demo.adrec
"$work/venv/bin/avatar-driver" export demo.adrec --to npz
"$work/venv/bin/python" - <<'PY'
import importlib.util
import numpy as np

table = np.load("demo.npz")
jaw, confidence = table["jaw"][:, 0], table["confidence"]
assert len(jaw) >= 5 * 58, f"{len(jaw)} frames in 5 s"
assert (np.diff(table["seq"]) == 1).all(), "a gap in seq"
assert jaw.max() > 0.03, f"the jaw never opened: {jaw.max():.3f} rad"
assert confidence[60:, 0].min() > 0, "the mouth was lost"
for name in ("torch", "ai_edge_litert", "mediapipe"):
    assert importlib.util.find_spec(name) is None, f"the wheel brings {name}"
print(f"{len(jaw)} frames, jaw up to {jaw.max():.2f} rad")
PY
