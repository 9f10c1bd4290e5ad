"""A user who only drives an avatar installs no deep-learning framework."""

from __future__ import annotations

import subprocess
import sys

# A finder in front of all others, so that torch is missing whether it is installed or not.
_IMPORT_ALL = """
import importlib, pkgutil, sys

REFUSED = {"torch", "torchaudio", "onnx", "onnxscript", "scipy", "trimesh", "training"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is refused", name=name)

sys.meta_path.insert(0, Refuse())
import driver
names = ["driver"] + [module.name for module in pkgutil.walk_packages(driver.__path__, "driver.")]
for name in names:
    importlib.import_module(name)
print(len(names), "modules")
"""


def test_every_driver_module_imports_without_torch() -> None:
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    count = int(done.stdout.split()[0])
    assert count > 10
