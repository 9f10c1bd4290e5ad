"""The TOML file: every key known, every type checked, each mistake one sentence with its remedy."""

from pathlib import Path

import pytest

from driver.channels import Channel
from driver.config import Settings, load_config
from driver.errors import UsageError
from protocol.frame import ARKIT_SHAPES


def loaded(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "settings.toml"
    path.write_text(text, "utf-8")
    return load_config(path, Settings())


def test_values_and_nested_tables_replace_the_defaults(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        'webcam = "1"\nrate_hz = 30\nout = ["zmq://", "udp://"]\n'
        "[smooth]\nstrength = 0.5\n[smooth.head_rotation]\nbeta = 3\n[fuse]\nis_alive = false\n",
    )
    assert (settings.webcam, settings.rate_hz, settings.out) == ("1", 30.0, ("zmq://", "udp://"))
    assert (settings.smooth.strength, settings.smooth.head_rotation.beta) == (0.5, 3.0)
    assert settings.smooth.head_rotation.min_cutoff_hz == Settings().smooth.head_rotation.min_cutoff_hz
    assert not settings.fuse.is_alive


def test_a_channel_s_table_changes_that_channel_alone(tmp_path: Path) -> None:
    settings = loaded(tmp_path, "[channels.jawOpen]\ngain = 1.2\n")
    before = Settings().channels
    assert settings.channels == before | {"jawOpen": Channel(gain=1.2, dead_zone=before["jawOpen"].dead_zone)}
    assert list(settings.channels) == list(ARKIT_SHAPES)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ratehz = 60", "unknown key ratehz; did you mean rate_hz?"),
        ("zzz = 1", "unknown key zzz; known keys: audio, "),
        ("[smooth]\nfoo = 1", "unknown key smooth.foo"),
        ('rate_hz = "60"', "rate_hz is '60'; it must be float"),
        ("demo = 1", "demo is 1; it must be bool"),
        ('out = "zmq://"', "out is 'zmq://'; it must be a list"),
        ('device = "gpu"', "device is 'gpu'; it must be one of 'auto', 'cpu', 'cuda'"),
        ("smooth = 3", "smooth is 3; it must be a table"),
        ("rate_hz = 0", "rate_hz is 0; it must be 1..1000"),
        ("rate_hz = nan", "rate_hz is nan; it must be 1..1000"),
        ("[camera]\nhorizontal_fov_deg = 5", "camera.horizontal_fov_deg is 5"),
        ("[voice]\nlookahead_ms = 30", "lookahead_ms is 30; it must be a multiple of 20"),
        ("[voice]\nlookahead_ms = 80.0", "voice.lookahead_ms is 80.0; it must be int"),
        ("[voice]\nsmoothing = 3", "unknown key voice.smoothing; did you mean voice.smoothing_ms?"),
        ("[fuse]\nfade_ms = 0", "fuse.fade_ms is 0; it must be more than 0, 1 is at once"),
        ("[fuse]\nease_ms = nan", "fuse.ease_ms is nan; it must be more than 0"),
        ("[fuse]\nstale_after_ms = -1", "fuse.stale_after_ms is -1; it must be more than 0"),
        ("[fuse]\ntrusted_from = 0.5", "the first below the second"),
        ("[smooth]\nstrength = nan", "smooth.strength is nan; it must be 0 or more"),
        ("[smooth.jaw]\nmin_cutoff_hz = -2", "a smoothing's min_cutoff_hz is -2; it must be 0 or more"),
        ("[channels.jawOpen]\ngain = 9", "a channel's gain is 9; it must be 0..4"),
        ("[channels.jawOpen]\ngian = 1", "unknown key channels.jawOpen.gian; did you mean channels.jawOpen.gain?"),
        ("[channels.jawopen]\ngain = 1", "unknown key channels.jawopen; did you mean channels.jawOpen?"),
        ("[channels]\njawOpen = 1", "channels.jawOpen is 1; it must be a table, [channels.jawOpen]"),
        ("channels = 1", "channels is 1; it must be a table, [channels]"),
        ("[idle]\nblinks = 3", "idle.blinks is 3; it must be 0..2"),
        ("= 3", "not valid TOML"),
    ],
)
def test_mistakes_are_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        loaded(tmp_path, text)
    assert says in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check the path"):
        load_config(tmp_path / "nowhere.toml", Settings())
