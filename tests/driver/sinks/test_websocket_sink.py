"""The WebSocket output: early, slow, dying and uninvited clients; judged by the websockets package's client."""

import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest
from support.stream import HELLO, numbered, require_ipv6, sink_context, wait_until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from driver.errors import SinkError, UsageError
from driver.publish import open_sink
from driver.web.pages import Page, Pages
from protocol.msgpack_codec import encode, encode_hello

ANY_PORT = "ws://127.0.0.1:0"


@pytest.fixture
def sink():
    sink = open_sink(ANY_PORT, sink_context())
    yield sink
    sink.close()


def publish(sink, seq):
    packet = encode(numbered(seq))
    sink.send(numbered(seq), packet)
    return packet


def listen(sink, count=1, **options):
    """A client, when the sink has it."""
    client = connect(sink.name, **options)
    wait_until(lambda: sink.clients() == count)
    return client


def test_a_client_gets_the_hello_before_anything_is_sent_and_no_older_frame(sink):
    publish(sink, 0)
    with listen(sink) as client:
        assert client.recv(timeout=5) == encode_hello(HELLO)
        packet = publish(sink, 1)
        assert client.recv(timeout=5) == packet


def test_every_frame_arrives_whole_and_in_order_at_60_hz(sink):
    with listen(sink) as client:
        assert client.recv(timeout=5) == encode_hello(HELLO)
        sent, received = [], []
        reader = threading.Thread(target=lambda: received.extend(client.recv(timeout=5) for _ in range(120)))
        reader.start()
        for seq in range(120):
            sent.append(publish(sink, seq))
            time.sleep(1 / 60)
        reader.join(10)
        assert received == sent


def test_a_stalled_client_loses_its_own_frames_and_nobody_elses(sink):
    count = 400
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", port_of(sink)))
        stalled.sendall(handshake(sink))
        wait_until(lambda: sink.clients() == 1)
        with listen(sink, 2) as healthy:
            healthy.recv(timeout=5)
            slowest_s = 0.0
            for seq in range(count):
                began_s = time.perf_counter()
                packet = publish(sink, seq)
                slowest_s = max(slowest_s, time.perf_counter() - began_s)
                assert healthy.recv(timeout=5) == packet
        seqs = heard(stalled)
    assert len(seqs) < count / 2, "the client was not stalled: nothing was dropped"
    assert seqs == sorted(seqs)
    assert seqs[-1] == count - 1, "the newest frames must win"
    assert slowest_s < 0.5


def test_closing_does_not_wait_for_a_stalled_client():
    sink = open_sink(ANY_PORT, sink_context())
    with socket.socket() as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.connect(("127.0.0.1", port_of(sink)))
        stalled.sendall(handshake(sink))
        wait_until(lambda: sink.clients() == 1)
        for seq in range(300):
            publish(sink, seq)
        began_s = time.monotonic()
        sink.close()
        assert time.monotonic() - began_s < 3.0
    sink.close()  # may be called again
    with pytest.raises(SinkError, match="serves no more"):
        publish(sink, 0)


def test_a_client_that_reads_again_as_the_sink_closes_gets_the_newest_frame():
    sink = open_sink(ANY_PORT, sink_context())
    with socket.socket() as waking:
        waking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        waking.connect(("127.0.0.1", port_of(sink)))
        waking.sendall(handshake(sink))
        wait_until(lambda: sink.clients() == 1)
        for seq in range(300):
            publish(sink, seq)
        closing = threading.Thread(target=sink.close)
        closing.start()
        seqs = heard(waking)
        closing.join()
    assert len(seqs) < 300, "the client was not stalled"
    assert seqs[-1] == 299


def test_the_last_frames_still_leave_when_the_sink_closes():
    for _ in range(5):
        sink = open_sink(ANY_PORT, sink_context())
        with listen(sink) as client:
            sent = [publish(sink, seq) for seq in range(4)]
            sink.close()
            assert [client.recv(timeout=5) for _ in range(5)][1:] == sent
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=5)


def test_clients_are_counted_as_they_come_leave_and_die(sink):
    script = (
        f"import websockets.sync.client as c, time; k = c.connect({sink.name!r}); print(1, flush=True); time.sleep(60)"
    )
    assert sink.clients() == 0
    with listen(sink) as survivor:
        with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as victim:
            wait_until(lambda: sink.clients() == 2, timeout_s=30)
            os.kill(victim.pid, signal.SIGKILL)
        wait_until(lambda: sink.clients() == 1)
        survivor.recv(timeout=5)
        packet = publish(sink, 0)
        assert survivor.recv(timeout=5) == packet
    wait_until(lambda: sink.clients() == 0)


def test_what_a_client_says_is_of_no_interest_and_long_speeches_end_it(sink):
    with listen(sink) as client:
        client.recv(timeout=5)
        for _ in range(100):
            client.send("hello?")
        packet = publish(sink, 0)
        assert client.recv(timeout=5) == packet
        client.send(b"x" * 5000)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=5)


def test_a_strange_page_is_refused_and_told_how_to_be_let_in(sink):
    with pytest.raises(InvalidStatus) as caught:
        connect(sink.name, origin="https://evil.example")
    assert caught.value.response.status_code == 403
    assert b"?origin=https://evil.example" in caught.value.response.body
    friendly = open_sink(f"{ANY_PORT}?origin=https://a.example,https://b.example", sink_context())
    with listen(friendly, origin="https://b.example") as client:
        assert client.recv(timeout=5) == encode_hello(HELLO)
    friendly.close()


def test_the_same_port_serves_the_page(sink):
    page = fetch(sink, "/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert b"cdn.jsdelivr.net/npm/three@" in page.read()
    script = fetch(sink, "/client/index.js")
    assert script.headers["Content-Type"].startswith("text/javascript")
    assert script.headers["Access-Control-Allow-Origin"] == "*"
    head = fetch(sink, "/head.glb").read()
    assert head[:4] == b"glTF"
    assert len(head) == struct.unpack("<I", head[8:12])[0] > 1_000_000
    for missing in ("/nothing", "/../publish.py", "/%2e%2e/publish.py", "/__init__.py", "/modules/three/package.json"):
        with pytest.raises(urllib.error.HTTPError, match="404"):
            fetch(sink, missing)


def test_a_page_that_takes_long_to_make_is_waited_for_as_long_as_we_say(monkeypatch):
    monkeypatch.setattr(Pages, "get", lambda pages, path: time.sleep(1.0) or Page("text/plain", b"late"))
    for within_s in (10.0, 0.2):
        monkeypatch.setattr("driver.sinks.websocket._ANSWER_WITHIN_S", within_s)
        sink = open_sink(ANY_PORT, sink_context())
        try:
            if within_s > 1.0:
                assert fetch(sink, "/head.glb").read() == b"late"
            else:
                with pytest.raises(http.client.RemoteDisconnected):
                    fetch(sink, "/head.glb")
        finally:
            sink.close()


def test_three_js_can_come_from_a_local_folder(tmp_path):
    module = tmp_path / "node_modules" / "three" / "build" / "three.module.js"
    module.parent.mkdir(parents=True)
    module.write_text("export {}")
    (tmp_path / "secret.js").write_text("secret")
    sink = open_sink(f"{ANY_PORT}?modules={tmp_path / 'node_modules'}", sink_context())
    page = fetch(sink, "/").read().decode()
    assert "https://" not in page.partition('type="importmap"')[2].partition("</script>")[0]
    imports = json.loads(page.partition('<script type="importmap">')[2].partition("</script>")[0])["imports"]
    assert imports["three"] == "/modules/three/build/three.module.js"
    assert imports["@pixiv/three-vrm"].startswith("/modules/@pixiv/three-vrm/")
    assert fetch(sink, imports["three"]).read() == b"export {}"
    with pytest.raises(urllib.error.HTTPError, match="404"):
        fetch(sink, "/modules/../secret.js")
    sink.close()
    with pytest.raises(UsageError, match="holds no folder three; run `npm install three @pixiv/three-vrm`"):
        open_sink(f"{ANY_PORT}?modules={tmp_path}", sink_context())


def test_requests_that_are_none_disturb_nobody(sink):
    with listen(sink) as client:
        client.recv(timeout=5)
        for nonsense in (b"", b"\0" * 100, b"HEAD / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port_of(sink))) as stranger:
                stranger.sendall(nonsense)
        packet = publish(sink, 0)
        assert client.recv(timeout=5) == packet
        assert sink.clients() == 1


def test_a_busy_port_is_one_sentence(sink):
    with pytest.raises(SinkError, match=rf"another program listens on port {port_of(sink)}; stop it"):
        open_sink(sink.name, sink_context())


def test_the_user_is_told_where_to_look_and_warned_of_the_network():
    notices = []
    sink = open_sink(ANY_PORT, sink_context(notices))
    assert notices == [f"open http://127.0.0.1:{port_of(sink)}/ in a browser to see the face"]
    sink.close()
    # A documentation address that no machine has: nothing is really opened to the network.
    with pytest.raises(SinkError, match=r"this machine has no such address; use 127\.0\.0\.1"):
        open_sink("ws://192.0.2.1:5573", sink_context(notices))
    assert "sends the face unencrypted" in notices[1]
    assert "TLS proxy" in notices[1]


def test_ipv6():
    require_ipv6()
    sink = open_sink("ws://[::1]:0", sink_context())
    with listen(sink) as client:
        assert client.recv(timeout=5) == encode_hello(HELLO)
    sink.close()


def port_of(sink):
    return int(sink.name.rpartition(":")[2])


def fetch(sink, path):
    return urllib.request.urlopen(f"http://127.0.0.1:{port_of(sink)}{path}", timeout=10)


def handshake(sink):
    return (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port_of(sink)}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def heard(client):
    """Numbers of the frames that a client which never read has been left with."""
    client.settimeout(1.0)
    data = bytearray()
    try:
        while chunk := client.recv(65_536):
            data += chunk
    except TimeoutError:
        pass
    found, marker = [], b"\xa3seq"
    position = data.find(marker)
    while position >= 0:
        kind = data[position + 4]
        width = {0xCC: 1, 0xCD: 2, 0xCE: 4}.get(kind, 0)
        found.append(int.from_bytes(data[position + 5 : position + 5 + width], "big") if width else kind)
        position = data.find(marker, position + 1)
    return found
