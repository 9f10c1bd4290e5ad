"""Who may import whom, read from the source: protocol <- models <- training; protocol, models.head <- driver."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("protocol", "models", "driver", "training")

# What each layer may import of ours. The longest matching layer counts.
MAY_IMPORT = {
    "protocol": ("protocol",),
    "models.head": ("protocol", "models.head"),
    "models": ("protocol", "models"),
    "driver": ("protocol", "models.head", "driver"),
    "training": ("protocol", "models", "training"),
    # What is judged here is the driver itself, and the landmarks are placed by its tracker.
    "training.evaluate": ("protocol", "models", "training", "driver"),
    # Raw videos are read and faces are seen as the driver does it.
    "training.curation": ("protocol", "models", "training", "driver"),
    # What is learnt of a person corrects the driver's own reading of them.
    "training.personalise": ("protocol", "models", "training", "driver"),
    "training.head.landmark_embedding": ("protocol", "models", "training", "driver"),
    "training.head.landmark_sightings": ("protocol", "models", "training", "driver"),
}
# What each layer must do without, anywhere, even inside functions.
MUST_NOT_IMPORT = {
    "protocol": ("torch", "zmq", "socket", "cv2", "onnxruntime"),
    "models.head": ("torch", "cv2", "onnxruntime", "moderngl"),
    "models.head.picture": ("torch", "cv2", "onnxruntime"),  # draws, for those who asked for it
    "driver": ("torch", "onnx", "onnxscript"),
}
LONGEST_FILE = 400


def modules() -> list[tuple[str, Path]]:
    """Dotted name and path of every module of the four packages."""
    return [
        (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), path)
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def imported(source: str, module: str, is_package: bool) -> Iterator[str]:
    """Dotted names that `source` imports, wherever the statement stands; relative ones made absolute."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                parts = parts[: len(parts) - node.level + is_package]
                base = ".".join([*parts, base] if base else parts)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def layer_of(module: str, table: dict[str, tuple[str, ...]]) -> str | None:
    candidates = [layer for layer in table if is_within(module, layer)]
    return max(candidates, key=len, default=None)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def violations(module: str, names: Iterator[str]) -> list[str]:
    layer, bare = layer_of(module, MAY_IMPORT), layer_of(module, MUST_NOT_IMPORT)
    found: list[str] = []
    for name in names:
        is_ours = name.split(".")[0] in PACKAGES
        if is_ours and layer and not any(is_within(name, allowed) for allowed in MAY_IMPORT[layer]):
            found.append(f"{module} imports {name}; {layer} may import only {', '.join(MAY_IMPORT[layer])}")
        if bare and any(is_within(name, refused) for refused in MUST_NOT_IMPORT[bare]):
            found.append(f"{module} imports {name}, which {bare} must do without")
    return found


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_imports_flow_one_way(module: str, path: Path) -> None:
    found = violations(module, imported(path.read_text(encoding="utf-8"), module, path.name == "__init__.py"))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(("module", "path"), modules(), ids=[name for name, _ in modules()])
def test_a_file_is_one_idea(module: str, path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{module} has {lines} lines; split it at {LONGEST_FILE}"


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("driver.encode", "from models.audio import envelope"),
        ("driver.encode", "def late():\n    import torch.nn"),
        ("driver.sinks.osc", "from ...training import export"),
        ("models.head.arkit", "from models import streaming"),
        ("models.head.flame", "import moderngl"),
        ("models.streaming", "import driver.types"),
        ("protocol.frame", "from models.head.flame import Head"),
    ],
)
def test_the_rules_catch(module: str, source: str) -> None:
    assert violations(module, imported(source, module, is_package=False))


def test_the_rules_allow_what_is_meant() -> None:
    source = "import numpy\nfrom protocol.frame import FaceFrame\nfrom models.head.arkit import ArkitMap"
    assert not violations("driver.fuse", imported(source, "driver.fuse", is_package=False))
