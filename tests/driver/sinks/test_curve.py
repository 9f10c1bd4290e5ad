"""Key files: private, never overwritten, and refused when they are not what they should be."""

import os
import stat

import pytest
import zmq
import zmq.auth
from support.stream import sink_context

from driver.errors import UsageError
from driver.publish import open_sink
from driver.sinks.curve import load_keys, make_keys


def test_the_secret_file_is_private_and_the_public_one_holds_no_secret(tmp_path):
    public_key = make_keys(tmp_path / "studio.key")
    keys = load_keys(tmp_path / "studio.key")
    assert keys.is_private
    assert keys.public_key.decode() == public_key
    assert zmq.curve_public(keys.secret_key) == keys.public_key
    if os.name != "nt":
        assert stat.S_IMODE((tmp_path / "studio.key").stat().st_mode) == 0o600
    assert zmq.auth.load_certificate(tmp_path / "studio.key.pub") == (keys.public_key, None)


def test_keys_in_use_are_not_overwritten(tmp_path):
    make_keys(tmp_path / "studio.key")
    before = (tmp_path / "studio.key").read_bytes()
    with pytest.raises(UsageError, match="exists; choose another file"):
        make_keys(tmp_path / "studio.key")
    assert (tmp_path / "studio.key").read_bytes() == before


def test_certificates_of_other_tools_are_read(tmp_path):
    _, secret_file = zmq.auth.create_certificates(tmp_path, "other")
    assert load_keys(tmp_path / "other.key_secret").secret_key == zmq.auth.load_certificate(secret_file)[1]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such file modes")
def test_a_key_file_that_others_can_read_is_said(tmp_path):
    path = tmp_path / "studio.key"
    make_keys(path)
    path.chmod(0o644)
    notices = []
    open_sink(f"zmq://127.0.0.1:0?server_secret_file={path}", sink_context(notices)).close()
    assert notices == [f"{path} can be read by other users; run `chmod 600 {path}`"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read as a key file: No such file"),
        ("", "holds no public-key of 40 letters"),
        ('public-key = "short"', "holds no public-key of 40 letters"),
        (f'public-key = "{"a" * 40}"', "holds no secret-key of 40 letters"),
        (f'public-key = "{"a" * 40}"\nsecret-key = "{"b" * 40}"', "two keys that do not belong together"),
    ],
)
def test_what_is_no_key_file_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "studio.key"
    if text is not None:
        path.write_text(text)
    with pytest.raises(UsageError) as caught:
        open_sink(f"zmq://127.0.0.1:0?server_secret_file={path}", sink_context())
    assert sentence in str(caught.value)
    assert "make a pair with `avatar-driver keys FILE`" in str(caught.value)
