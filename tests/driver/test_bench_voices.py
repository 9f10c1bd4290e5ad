"""The bench of voices: its search, and its report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from driver.bench_voices import largest
from driver.cli import main


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5, 8, 31, 100])
def test_the_search_finds_the_largest_number_and_tries_few(limit: int) -> None:
    tried: list[int] = []

    def is_real_time(voices: int) -> bool:
        tried.append(voices)
        return voices <= limit

    assert largest(is_real_time, most=100) == limit
    assert len(tried) == len(set(tried)) <= 14
    assert max(tried) <= 100


def test_the_report_is_a_table_and_a_line_of_json(tiny_voice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--voices", "3", "--hops", "50", "--voice-model", str(tiny_voice)]) == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[-1])
    assert (report["model"], report["deadline_ms"]) == ("tiny.onnx", 16.0)
    (trial,) = report["cpu"]["trials"]
    assert trial["voices"] == 3
    assert 0 < trial["p50_ms"] <= trial["p95_ms"] <= trial["p99_ms"]
    assert report["cpu"]["real_time_voices"] == (3 if trial["p99_ms"] < 16 else 0)
    assert "tiny.onnx, one thread" in lines[0] + lines[1]


@pytest.mark.parametrize("voices", ["many", "0", "-3", "5000"])
def test_a_number_that_cannot_be_is_one_sentence(voices: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--voices", voices, "--voice-model", "envelope"]) == 2
    assert f"--voices is {voices}; it must be a number within 1..4096, or max" in capsys.readouterr().err
    assert main(["bench", "--voices", "1", "--hops", "0"]) == 2
    assert "--hops is 0; it must be at least 1" in capsys.readouterr().err
