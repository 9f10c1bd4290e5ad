"""The review page over HTTP, what it keeps, and the stores that are made of what is left."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.curated import piece

from driver.errors import RunError
from training.curation import review, stores
from training.curation.item import Item
from training.curation.media import write_clip
from training.curation.review import ReviewServer, main
from training.curation.selection import REVIEW, decide, decisions, selected
from training.curation.shards import pack
from training.curation.stores import build, origin_of, origins
from training.data.clips import ClipStore
from training.data.excerpts import ExcerptBatches, Excerpts


def clip(number: int, subset: str = "talk", content: str = "0123456789abcdef") -> Item:
    whole = piece(0.4, begin_s=float(number))
    return replace(whole, subset=subset, content=content, source=f"{content}.mp4")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished curation of four clips of two videos, and a piece that was turned down."""
    items = [clip(0), clip(1), clip(2, "laugh"), clip(0, content="fedcba9876543210")]
    pack(tmp_path / "shards", items, 100.0, "")
    lines = [item.to_line() for item in [*items, clip(5).reject("steady", "turned aside")]]
    (tmp_path / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[ReviewServer]:
    with ReviewServer(folder, 0) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


def ask(server: ReviewServer, path: str, said: object = None, **headers: str) -> tuple[int, bytes]:
    data = None if said is None else json.dumps(said).encode()
    kind = {} if said is None else {"Content-Type": "application/json"}
    request = urllib.request.Request(server.address + path, data, kind | headers)
    try:
        with urllib.request.urlopen(request, timeout=60.0) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_page_lists_the_clips_and_keeps_decisions(server: ReviewServer, folder: Path) -> None:
    assert b"<title>Review of clips</title>" in ask(server, "")[1]
    table = json.loads(ask(server, "clips.json")[1])
    assert [one["subset"] for one in table["clips"]] == ["talk", "talk", "laugh", "talk"]
    assert table["turned_down"] == {"steady": 1}
    keys = [one["key"] for one in table["clips"]]
    for key, decision in ((keys[0], "reject"), (keys[1], "accept"), (keys[2], "reject"), (keys[2], "undecided")):
        assert ask(server, "decide", {"key": key, "decision": decision})[0] == 200
    assert [one["decision"] for one in json.loads(ask(server, "clips.json")[1])["clips"]] == [
        "reject",
        "accept",
        "",
        "",
    ]
    assert decisions(folder) == {keys[0]: "reject", keys[1]: "accept"}
    assert [item.key for item in selected(folder)] == keys[1:]
    assert [item.key for item in selected(folder, only_accepted=True)] == [keys[1]]


def test_what_is_no_decision_is_refused(server: ReviewServer, folder: Path) -> None:
    key = next(iter(server.clips))
    assert ask(server, "decide", {"key": "nobody", "decision": "reject"})[0] == 400
    assert ask(server, "decide", {"key": key, "decision": "perhaps"})[0] == 400
    assert ask(server, "decide", [1])[0] == 400
    said = {"key": key, "decision": "reject"}
    assert ask(server, "decide", said, **{"Content-Type": "text/plain"})[0] == 404  # as another site's page could
    assert ask(server, "decide", said, Host="evil.example:80")[0] == 403
    assert ask(server, "../manifest.jsonl")[0] == 404
    assert not (folder / REVIEW).exists()


def test_a_clip_is_shown_as_a_movie(server: ReviewServer, folder: Path) -> None:
    key, item = next(iter(server.clips.items()))
    code, sentence = ask(server, f"movie/{key}.mp4")
    assert (code, b"does not exist" in sentence) == (404, True)
    film = folder / "film.mp4"
    picture = np.full((480, 640, 3), 90, np.uint8)
    write_clip(film, iter([picture] * 10), 25.0, np.zeros(6400, np.float32))
    server.clips[key] = replace(item, source=str(film))
    code, movie = ask(server, f"movie/{key}.mp4")
    assert code == 200
    assert movie[4:8] == b"ftyp"
    assert ask(server, f"movie/{key}.mp4", Range="bytes=4-7") == (206, b"ftyp")


def test_a_port_that_is_taken_is_answered_in_a_sentence(
    server: ReviewServer, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = server.server_address[1]
    assert main([str(folder), "--port", str(port)]) == 1
    said = capsys.readouterr().err
    assert f"port {port} of 127.0.0.1 cannot be opened" in said
    assert said.count("\n") == 1
    assert main([str(folder / "nowhere")]) == 1


def test_ctrl_c_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(server: ReviewServer) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(review.ReviewServer, "serve_forever", interrupted)
    assert main([str(folder), "--port", "0"]) == 0


def test_a_decision_that_was_cut_off_counts_for_nothing(tmp_path: Path) -> None:
    decide(tmp_path, "a", "accept")
    with (tmp_path / REVIEW).open("a") as file:
        file.write('{"key": "b", "deci')
    assert decisions(tmp_path) == {"a": "accept"}
    decide(tmp_path, "c", "reject")
    assert decisions(tmp_path) == {"a": "accept", "c": "reject"}
    (tmp_path / REVIEW).write_text("nonsense\n")
    with pytest.raises(RunError, match="line 1 of"):
        decisions(tmp_path)


# Stores


def test_clips_become_stores_that_the_voice_learns_from(folder: Path, tmp_path: Path) -> None:
    decide(folder, clip(1).key, "reject")
    counts = build(folder, tmp_path / "stores", "research", None, only_accepted=False)
    assert counts == {"curated_talk": 2, "curated_laugh": 1}
    talk, laugh = (ClipStore(tmp_path / "stores" / f"curated_{name}") for name in ("talk", "laugh"))
    assert {(info.kind, info.use) for info in talk.infos} == {("talking", "research")}
    assert laugh.infos[0].kind == "laughter"
    stored, item = talk[0], clip(0)
    assert len(stored.audio) == len(item.arrays["audio"])
    # Hop 2k + 1 ends when picture k + 1 was taken; what is left of the motion is all but the face at rest.
    change = stored.motion[3, -3] - stored.motion[1, -3]
    assert change == pytest.approx(item.arrays["jaw"][2, 0] - item.arrays["jaw"][1, 0], abs=1e-3)
    assert stored.motion_weight.min() == 1.0


def test_the_recipes_take_their_excerpts_from_them(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "stores", "free", None, only_accepted=False)
    for name in ("curated_talk", "curated_laugh"):
        split = ClipStore(tmp_path / "stores" / name).infos[0].split
        batch = ExcerptBatches(tmp_path / "stores", Excerpts(15, {name: 1.0}), batch=2, seed=0, split=split)[0]
        assert batch["motion"].shape == (2, 15, 53)
        assert bool(batch["motion"].any())


def test_a_manifest_says_whose_and_what_for(folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    known = "0123456789abcdef"
    (data / "MANIFEST.tsv").write_text(f"path\tuse\tsplit\tperson\n../{known}.mp4\tfree\tval\tP01\n")
    of_each = origins(data)
    items = [
        replace(item, source=str(tmp_path / item.source)) for item in (clip(0), clip(0, content="fedcba9876543210"))
    ]
    pack(folder / "shards", items, 100.0, "")
    counts = build(folder, tmp_path / "stores", "", of_each, only_accepted=False)
    assert counts == {"curated_talk": 1, "left out": 1}
    info = ClipStore(tmp_path / "stores" / "curated_talk").infos[0]
    assert (info.voice, info.split, info.use) == ("P01", "val", "free")
    with pytest.raises(RunError, match="cannot be read"):
        origins(tmp_path / "nowhere")


def test_who_is_heard_often_has_a_style_of_their_own(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for heard_often in (False, True):
        monkeypatch.setattr(stores, "_STYLE_CLIPS", 1 if heard_often else 99)
        build(folder, tmp_path / str(heard_often), "free", None, only_accepted=False)
        infos = ClipStore(tmp_path / str(heard_often) / "curated_talk").infos
        assert {info.style for info in infos} == ({f"person_{info.voice}" for info in infos} if heard_often else {""})


def test_whole_videos_are_held_out() -> None:
    splits = [origin_of(Item("a.mp4", content=f"{number:016x}"), "free").split for number in range(100)]
    assert splits.count("val") == 10
