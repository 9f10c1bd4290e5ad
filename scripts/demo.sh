#!/usr/bin/env bash
# Sets up a light environment (no torch, no MediaPipe) and runs the embedded sample. Arguments go to avatar-driver.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${AVATAR_DRIVER_DEMO_VENV:-.venv-demo}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/python" -m pip install -q --disable-pip-version-check .
exec "$venv/bin/avatar-driver" --demo "$@"
