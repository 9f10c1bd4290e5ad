#!/usr/bin/env bash
# Sets up and passes the tests. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh
# One thread a library: the tests already keep both cores of a small machine busy.
OMP_NUM_THREADS=1 python -m pytest "$@"
