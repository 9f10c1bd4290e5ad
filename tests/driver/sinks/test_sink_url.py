"""What `--out` accepts, and the sentence for everything that it refuses."""

import pytest
from support.stream import sink_context

from driver.errors import UsageError
from driver.publish import open_sink


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("udp://", "udp://127.0.0.1:5572"),
        ("udp://127.0.0.1", "udp://127.0.0.1:5572"),
        ("udp://:6000", "udp://127.0.0.1:6000"),
        ("udp://127.0.0.2:6000/", "udp://127.0.0.2:6000"),
        ("osc://", "osc://127.0.0.1:9010"),
        ("osc://127.0.0.1:9000?per_shape=1", "osc://127.0.0.1:9000"),
        ("vmc://", "vmc://127.0.0.1:39540"),
        ("vmc://?mode=performer", "vmc://127.0.0.1:39539"),
        ("vmc://:7000?mode=performer&presets=vrm1&shapes=camel", "vmc://127.0.0.1:7000"),
        ("livelink://", "livelink://127.0.0.1:11111"),
        ("livelink://?subject=Face%20A&head_scale=half_turns&eye_scale=degrees", "livelink://127.0.0.1:11111"),
        ("livelink://?no_face=short&time=clock&rate=30", "livelink://127.0.0.1:11111"),
        ("vts://", "vts://127.0.0.1:8001"),
        ("vts://127.0.0.2:8002?parameters=own", "vts://127.0.0.2:8002"),
        ("ifacialmocap://", "ifacialmocap://127.0.0.1:49983"),
        ("ifacialmocap://127.0.0.2:5000?version=v2", "ifacialmocap://127.0.0.2:5000"),
    ],
)
def test_defaults_are_filled_in(url, name):
    sink = open_sink(url, sink_context())
    try:
        assert sink.name == name
    finally:
        sink.close()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("127.0.0.1:5571", "'127.0.0.1:5571' is not an output; write it as zmq://HOST:PORT (kinds: zmq, udp, osc, "),
        ("wss://127.0.0.1:1", "unknown kind 'wss'; the kinds of output are zmq, udp, osc, vmc, livelink"),
        ("osc://127.0.0.1:0", "has the port 0; it must be in 1..65535"),
        ("osc://127.0.0.1:70000", "with a port in 1..65535"),
        ("osc://127.0.0.1:port", "with a port in 1..65535"),
        ("osc://127.0.0.1:9010/face", "more than a host, a port and options"),
        ("osc://me@127.0.0.1:9010", "more than a host, a port and options"),
        ("osc://127.0.0.1:9010#x", "more than a host, a port and options"),
        ("udp://127.0.0.1?rate=5", "unknown option 'rate'; this kind of output has no options"),
        ("osc://?pershape=1", "unknown option 'pershape'; its options are per_shape=0|1"),
        ("zmq://:0?server_key=x", "unknown option 'server_key'; its options are server_secret_file=FILE"),
        ("osc://?per_shape=yes", "asks for per_shape=yes; per_shape is one of 0, 1"),
        ("osc://?per_shape", "cannot be read"),
        ("vmc://?mode=marionette", "mode is one of assistant, performer"),
        ("vmc://?mode=performer&mode=assistant", "gives the option mode twice"),
        ("vmc://?rate=0.5", "asks for rate=0.5; rate must be in 1..1000"),
        ("vmc://?rate=fast", "asks for rate=fast; rate must be in 1..1000"),
        ("vmc://?mode=performer&listen=0", "listen must be in 1..65535"),
        ("livelink://?scale=radians", "unknown option 'scale'; its options are rate=NUMBER, time=day|clock"),
        ("livelink://?subject=", "leaves the option subject empty"),
        ("vts://?parameters=none", "parameters is one of all, own, tracking"),
        ("vts://:0", "has the port 0"),
        ("ifacialmocap://?version=v3", "version is one of v1, v2"),
        (
            "ifacialmocap://?reply_port=5",
            "unknown option 'reply_port'; its options are mode=send|listen, version=v1|v2",
        ),
        ("ifacialmocap://?mode=listen&version=v1", "its options are mode=send|listen, reply_port=PORT"),
        ("ifacialmocap://?mode=listen&reply_port=0", "reply_port must be in 1..65535"),
        ("ifacialmocap://?mode=listen&reply_port=x", "reply_port must be in 1..65535"),
        ("livelink://?subject=G%C3%BCnther", "must be 1..64 printable ASCII characters"),
    ],
)
def test_a_wrong_url_is_one_sentence(url, sentence):
    with pytest.raises(UsageError) as caught:
        open_sink(url, sink_context())
    assert sentence in str(caught.value)
