"""The Unity package without Unity: its C#, stubs of what it uses and the test program, compiled by Mono."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from protocol.csharp import PACKAGE

_FOLDER = Path(__file__).parents[1] / "unity"


def missing_mono() -> str | None:
    """Why nothing can be compiled or run here; None when it can."""
    has_all = shutil.which("mcs") and shutil.which("mono")
    return None if has_all else "needs Mono's C# compiler (Debian: mono-mcs and mono-runtime)"


def compile_program(folder: Path) -> Path:
    """The package with the test program, in `folder`; Runtime/Core by itself first, as it must not know UnityEngine."""
    core = folder / "AvatarDriver.Core.dll"
    _compile(core, "library", PACKAGE / "Runtime" / "Core")
    runtime = folder / "AvatarDriver.dll"
    _compile(runtime, "library", PACKAGE / "Runtime", _FOLDER / "stubs" / "UnityEngine.cs", references=[core])
    zeromq = [PACKAGE / "Runtime" / "ZeroMQ", _FOLDER / "stubs" / "NetMQ.cs"]
    _compile(folder / "AvatarDriver.ZeroMQ.dll", "library", *zeromq, references=[core, runtime])
    programs = [_FOLDER / "Program.cs", _FOLDER / "AvatarCheck.cs"]
    tests = [PACKAGE / "Tests" / "EditMode", _FOLDER / "stubs" / "NUnit.cs", *programs]
    samples = sorted(folder for folder in (PACKAGE / "Samples~").iterdir() if folder.is_dir())
    _compile(folder / "program.exe", "exe", *tests, *samples, references=[core, runtime])
    return folder / "program.exe"


def _compile(output: Path, target: str, *sources: Path, references: Sequence[Path] = ()) -> None:
    """Folders are taken without those in them, as Unity does with one assembly definition in each."""
    files = [file for source in sources for file in (sorted(source.glob("*.cs")) if source.is_dir() else [source])]
    done = subprocess.run(
        ["mcs", "-langversion:7", "-warnaserror", f"-target:{target}", f"-out:{output}"]
        + [f"-reference:{reference}" for reference in references]
        + [str(file) for file in files],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
