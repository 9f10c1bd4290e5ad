"""The Unity package is in step with the Python side, and complete."""

import json
import re

import pytest

from protocol.csharp import PACKAGE, files

REPAIR = "run `python -m protocol.csharp` and commit what it writes"
PROJECT = PACKAGE.parents[1]


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_generated_files_are_in_step(path):
    assert path.read_text(encoding="utf-8") == files()[path], f"{path.name} is out of step: {REPAIR}"


def package_entries():
    return sorted(
        path
        for path in PACKAGE.rglob("*")
        # Unity does not import folders that end with "~", and wants no .meta files for them.
        if path.suffix != ".meta" and not any(name.endswith("~") for name in path.relative_to(PACKAGE).parts)
    )


def test_every_file_and_folder_has_a_meta_file_with_its_own_guid():
    guids = {}
    for path in package_entries():
        meta = path.with_name(path.name + ".meta")
        assert meta.is_file(), (
            f"{path.relative_to(PACKAGE)} has no .meta file: open the project in Unity, and commit it"
        )
        match = re.search(r"^guid: ([0-9a-f]{32})$", meta.read_text(), re.M)
        assert match is not None, meta
        assert match[1] not in guids, f"{meta} has the guid of {guids.get(match[1])}"
        guids[match[1]] = path
    assert len(guids) > 20


def test_no_meta_file_is_left_over():
    for meta in PACKAGE.rglob("*.meta"):
        assert meta.with_suffix("").exists(), f"{meta} belongs to nothing"


def test_the_manifest_is_complete():
    manifest = json.loads((PACKAGE / "package.json").read_text())
    assert manifest["name"] == PACKAGE.name
    assert re.fullmatch(r"\d+\.\d+\.\d+", manifest["version"])
    assert manifest["unity"] == "2022.3"
    assert f"## {manifest['version']}" in (PACKAGE / "CHANGELOG.md").read_text()
    for name in ("README.md", "LICENSE.md"):
        assert (PACKAGE / name).is_file()
    samples = [PACKAGE / sample["path"] for sample in manifest["samples"]]
    assert all(sample.is_dir() for sample in samples)
    assert sorted(samples) == sorted((PACKAGE / "Samples~").iterdir())


def test_assemblies_refer_to_each_other_by_name():
    assemblies = {path: json.loads(path.read_text()) for path in PACKAGE.rglob("*.asmdef")}
    names = {content["name"] for content in assemblies.values()}
    assert names == {"AvatarDriver", "AvatarDriver.Core", "AvatarDriver.ZeroMQ", "AvatarDriver.Tests"}
    for path, content in assemblies.items():
        assert path.stem == content["name"]
        assert {name for name in content["references"] if name.startswith("AvatarDriver")} <= names
    core = json.loads((PACKAGE / "Runtime" / "Core" / "AvatarDriver.Core.asmdef").read_text())
    assert core["noEngineReferences"] is True


def test_zeromq_is_left_out_unless_it_is_asked_for():
    content = json.loads((PACKAGE / "Runtime" / "ZeroMQ" / "AvatarDriver.ZeroMQ.asmdef").read_text())
    assert content["defineConstraints"] == ["AVATAR_DRIVER_NETMQ"]
    for path in (PACKAGE / "Runtime").rglob("*.cs"):
        assert ("NetMQ" in path.read_text()) == (path.parent.name == "ZeroMQ"), path.name


def test_the_core_knows_no_engine():
    for path in (PACKAGE / "Runtime" / "Core").glob("*.cs"):
        assert "UnityEngine" not in path.read_text(), path.name


def test_axes_change_in_one_file_only():
    for path in (PACKAGE / "Runtime").rglob("*.cs"):
        if path.name != "AxisConversion.cs":
            assert "new Quaternion(" not in path.read_text(), path.name
            assert "new Vector3(" not in path.read_text(), path.name


def test_the_project_opens_with_the_package():
    manifest = json.loads((PROJECT / "Packages" / "manifest.json").read_text())
    assert PACKAGE.name in manifest["testables"]
    version = (PROJECT / "ProjectSettings" / "ProjectVersion.txt").read_text()
    assert version.startswith("m_EditorVersion: 2022.3")
    assert (PROJECT / "Assets").is_dir()
