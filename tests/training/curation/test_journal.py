"""The journal: what was written whole is never lost, what was not never counts."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driver.errors import RunError
from training.curation.journal import JOURNAL, Journal, Outcome
from training.curation.shards import Shard
from training.recipe import RecipeError


def outcome(number: int) -> Outcome:
    part = Shard(f"{number}.tar", 2, 10240, "ab" * 32) if number % 2 else None
    lines = ({"key": f"{number}-0-1", "source": f"/videos/фильм {number}.mp4"},)
    return Outcome(f"{number}", f"/videos/фильм {number}.mp4", lines, part, {"probe": 0.25}, 3.5)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("whole")
    with Journal(out, "digest") as journal:
        journal.add_contents({"/videos/0.mp4": (5, 7, "0")})
        for number in range(5):
            journal.add(outcome(number))
    return (out / JOURNAL).read_bytes()


def read(out: Path, data: bytes) -> Journal:
    (out / JOURNAL).write_bytes(data)
    with Journal(out, "digest") as journal:
        return journal


def test_what_was_noted_is_read_again(whole: bytes, tmp_path: Path) -> None:
    journal = read(tmp_path, whole)
    assert journal.outcomes == {str(number): outcome(number) for number in range(5)}
    assert journal.contents == {"/videos/0.mp4": (5, 7, "0")}
    assert journal.damaged == 0


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1))
def test_cut_off_anywhere_it_goes_on_from_the_last_whole_line(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    out = tmp_path_factory.mktemp("cut")
    cut = whole[: int(share * len(whole))]
    finished = max(0, cut.count(b"\n") - 2)  # the settings, and a file's content
    assert list(read(out, cut).outcomes) == [str(number) for number in range(finished)]
    with Journal(out, "digest") as journal:
        for number in range(finished, 5):
            journal.add(outcome(number))
    with Journal(out, "digest") as journal:
        assert journal.outcomes == {str(number): outcome(number) for number in range(5)}
        assert journal.damaged == 0


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
def test_a_flipped_byte_costs_no_more_than_the_lines_that_it_is_in(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, share: float, change: int
) -> None:
    begin = whole.index(b"\n") + 1  # behind the settings, without which nothing is believed
    place = begin + int(share * (len(whole) - begin))
    damaged = whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :]
    journal = read(tmp_path_factory.mktemp("flip"), damaged)
    lost = [number for number in range(5) if journal.outcomes.get(str(number)) != outcome(number)]
    assert len(lost) <= 2
    assert len(journal.outcomes) == 5 - len(lost)


def test_other_settings_do_not_mix(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(whole)
    with pytest.raises(RecipeError, match=r"other settings or networks \(digest, now others\).*another --out"):
        Journal(tmp_path, "others")


def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / JOURNAL).write_bytes(b"shopping list\n")
    with pytest.raises(RecipeError, match="is no journal"):
        Journal(tmp_path, "digest")
    assert (tmp_path / JOURNAL).read_bytes() == b"shopping list\n"


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system does not lock files")
    with Journal(tmp_path, "digest"), pytest.raises(RunError, match="another run is at work"):
        Journal(tmp_path, "digest")
    Journal(tmp_path, "digest").__exit__(None, None, None)


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file/out cannot be written: .*choose another --out"):
        Journal(tmp_path / "file" / "out", "digest")


def test_a_full_disk_is_told_and_what_was_noted_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NearlyFull:
        """Takes seven bytes more."""

        def __init__(self, file: object) -> None:
            self.file, self.room = file, 7

        def write(self, data: bytes) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken, self.room = self.file.write(data[: self.room]), 0  # pyright: ignore[reportAttributeAccessIssue]
            return taken

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    with Journal(tmp_path, "digest") as journal:
        journal.add(outcome(0))
        monkeypatch.setattr(journal, "_file", NearlyFull(journal._file))
        with pytest.raises(RunError, match="No space left on device; make room and run the same command again"):
            journal.add(outcome(1))
    with Journal(tmp_path, "digest") as journal:
        assert list(journal.outcomes) == ["0"]
