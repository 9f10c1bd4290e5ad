"""The VRChat output against a VRChat made from its public description, and an OSCQuery that we did not write."""

import contextlib
import json
import os
import socket
import sys
import time

import pytest
from pythonoscquery.osc_query_client import OSCQueryClient
from pythonoscquery.osc_query_service import OSCQueryService
from pythonoscquery.shared.osc_access import OSCAccess
from pythonoscquery.shared.osc_address_space import OSCAddressSpace
from pythonoscquery.shared.osc_path_node import OSCPathNode
from support.stream import UdpReceiver, numbered, sink_context, wait_until
from support.vrchat import FakeVrChat, avatar_tree

from driver.errors import SinkError, UsageError
from driver.publish import check_sink
from driver.sinks import vrchat, vrchat_avatar
from driver.sinks.oscquery import OscQueryServer, ask_host_info, ask_tree
from driver.sinks.url import parse_sink_url
from driver.sinks.vrchat import open_vrchat
from driver.sinks.vrchat_avatar import AvatarWatch, local_avatar
from protocol.oscquery import Endpoint, HostInfo
from protocol.unified_expressions import NAMES
from protocol.vrchat import ACTIVE, PARAMETERS

FIRST = {"FT/v2/JawOpen1": "T", "FT/v2/JawOpen2": "T", "FT/v2/JawOpen4": "T", "v2/MouthSmileRight": "f"}
FIRST |= {"EyeTrackingActive": "T", "GestureLeft": "i"}
SECOND = {"v2/JawOpen": "f", "v2/EyeLeftX": "f", "v2/EyeOpenLeft": "f"}
OWN_INTERFACE = "interface=127.0.0.1"


@pytest.fixture(autouse=True)
def no_files(monkeypatch, tmp_path):
    """A home without VRChat's files."""
    monkeypatch.setattr(vrchat_avatar.Path, "home", lambda: tmp_path)


def opened(url, notices=None, clock_ns=time.perf_counter_ns):
    return open_vrchat(parse_sink_url(url, ("vrchat",)), sink_context(notices, clock_ns))


def send_until(sink, condition, timeout_s=15.0):
    """Frames at 60 Hz until `condition` holds; a receiver that is not there yet does not matter."""

    def met():
        with contextlib.suppress(SinkError):
            sink.send(numbered(1), b"")
        time.sleep(1 / 60)
        return condition()

    wait_until(met, timeout_s)


def test_vrchat_is_found_and_gets_what_its_avatar_has():
    notices = []
    with FakeVrChat(avatar_tree("avtr_1", FIRST)) as game:
        sink = opened(f"vrchat://?{OWN_INTERFACE}", notices)
        send_until(sink, lambda: game.parameter("v2/MouthSmileRight") is not None)
        assert sink.name == f"vrchat://127.0.0.1:{game.port}"  # the port is the one that VRChat named
        jaw = [game.parameter(f"FT/v2/JawOpen{bit}") for bit in (1, 2, 4)]
        assert jaw == [True, False, True]  # 0.625 of 8 steps
        assert game.parameter("v2/MouthSmileRight") == 0.75
        assert game.parameter("EyeTrackingActive") is True
        assert game.received["/tracking/eye/LeftRightPitchYaw"] == pytest.approx((0, 0, -7.162, 14.324), abs=1e-3)
        parameters = {address for address in game.received if address.startswith(PARAMETERS)}
        assert parameters == {PARAMETERS + name for name in FIRST if name != "GestureLeft"}
        assert "VRChat-Client-F4A3B2: the avatar avtr_1 takes 5 face parameters" in notices

        # VRChat tells the programs that it finds by mDNS when another avatar is put on, before its tree has it.
        service = game.find("_osc._udp", "AvatarDriver-")
        assert service.parsed_addresses() == ["127.0.0.1"]
        game.say(service.port, "/avatar/change", "avtr_2")
        time.sleep(0.5)
        game.tree = avatar_tree("avtr_2", SECOND)
        send_until(sink, lambda: game.parameter("v2/JawOpen") is not None)
        looks = game.counts["/tracking/eye/LeftRightPitchYaw"]
        send_until(sink, lambda: game.counts[PARAMETERS + "v2/JawOpen"] >= 3)  # said again once a second
        assert game.parameter("v2/JawOpen") == 0.625
        assert game.counts["/tracking/eye/LeftRightPitchYaw"] <= looks + 1  # this one has eyes of its own

        sink.close()
        wait_until(lambda: game.parameter("v2/JawOpen") == 0.0)
        sink.close()


def test_without_vrchats_tree_every_expression_is_sent_and_its_end_is_noticed():
    with FakeVrChat(avatar_tree("avtr_1", SECOND), is_announced=False) as game:
        sink = opened(f"vrchat://127.0.0.1:{game.port}?{OWN_INTERFACE}")
        everything = {PARAMETERS + name for name in (*NAMES, *ACTIVE)}
        send_until(sink, lambda: game.received.keys() >= everything)
        game.announce()
        send_until(sink, lambda: sink._watch.avatar.is_known)
        game.received.clear()
        game.leave()
        send_until(sink, lambda: game.received.keys() >= everything)
        sink.close()


@pytest.mark.parametrize(("limit_hz", "rate_hz", "count"), [(60, 60, 60), (60, 240, 60), (30, 60, 30)])
def test_the_rate_has_a_limit_that_lets_the_same_rate_through(limit_hz, rate_hz, count):
    now_ns = [10**12]
    with UdpReceiver() as receiver:
        url = f"vrchat://127.0.0.1:{receiver.port}?discovery=0&eyes=native&rate={limit_hz}"
        sink = opened(url, clock_ns=lambda: now_ns[0])
        for number in range(rate_hz):
            jitter_ns = ((number + 1) * 7919 % 5 - 2) * 1_000_000  # the first one is late
            now_ns[0] = 10**12 + round(number / rate_hz * 1e9) + jitter_ns
            sink.send(numbered(1), b"")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.sendto(b"end", ("127.0.0.1", receiver.port))
        looks = 0
        while (datagram := receiver.receive(1)[0]) != b"end":
            looks += b"/tracking/eye/LeftRightPitchYaw" in datagram
        sink.close()
    assert looks == count


def test_an_avatars_file_stands_in_for_the_tree(tmp_path):
    folder = tmp_path / "AppData/LocalLow/VRChat/VRChat/OSC/usr_1/Avatars"
    folder.mkdir(parents=True)
    for number, name in enumerate(("v2/JawOpen", "v2/MouthX", "v2/TongueOut")):
        parameters = [{"name": name, "input": {"address": PARAMETERS + name, "type": "Float"}}]
        path = folder / f"avtr_{number}.json"
        path.write_bytes(b"\xef\xbb\xbf" + json.dumps({"id": f"avtr_{number}", "parameters": parameters}).encode())
        os.utime(path, (1000 + number, 1000 + number))
    (folder / "avtr_9.json").write_text("{")
    assert local_avatar(None).id == "avtr_2"  # the newest that can be read
    assert local_avatar(None, "avtr_1").id == "avtr_1"
    assert local_avatar(folder / "avtr_0.json").id == "avtr_0"
    assert not local_avatar(None, "avtr_9").is_known
    with FakeVrChat(avatar_tree("", {}), is_announced=False) as game:
        sink = opened(f"vrchat://127.0.0.1:{game.port}?discovery=0&eyes=parameters&avatar_file={folder}/avtr_0.json")
        send_until(sink, lambda: game.received)
        assert set(game.received) == {PARAMETERS + "v2/JawOpen"}
        sink.close()


def test_an_independent_oscquery_is_understood():
    """python-oscquery serves the tree and announces itself; what VRChat adds to that is its name."""
    space = OSCAddressSpace()
    for name, value in {"v2/JawOpen": 0.0, "FT/v2/JawX1": False, "FT/v2/JawXNegative": False, "VRCEmote": 1}.items():
        space.add_node(OSCPathNode(PARAMETERS + name, value=value, access=OSCAccess.READWRITE_VALUE))
    space.add_node(OSCPathNode("/avatar/change", value="avtr_7", access=OSCAccess.READWRITE_VALUE))
    with FakeVrChat({}, is_announced=False) as game:
        probe = OscQueryServer("127.0.0.1", HostInfo("", None, None), [], pytest.fail)
        port = probe.port
        probe.close()
        service = OSCQueryService(space, "VRChat-Client-AAAAAA", port, game.port)
        service.start()
        server = service.http_server
        sink = opened(f"vrchat://?{OWN_INTERFACE}&eyes=parameters")
        try:
            send_until(sink, lambda: len(game.received) == 3)
            assert game.parameter("v2/JawOpen") == 0.625
            ours = game.find("_oscjson._tcp", "AvatarDriver-")
            theirs = OSCQueryClient(ours).get_host_info()
            assert ours.name.startswith(theirs.name)
            assert theirs.osc_port == game.find("_osc._udp", "AvatarDriver-").port
        finally:
            sink.close()
            service.stop()
            server.server_close()


def test_our_oscquery_answers_and_others_without_sense_are_refused():
    server = OscQueryServer("127.0.0.1", HostInfo("me", "127.0.0.1", 9), [Endpoint("/a/b", "f", (1.0,))], pytest.fail)
    assert ask_host_info("127.0.0.1", server.port) == HostInfo("me", "127.0.0.1", 9)
    assert ask_tree("127.0.0.1", server.port) == [Endpoint("/a/b", "f", (1.0,))]
    server.close()
    with pytest.raises(SinkError, match="gives no answer of use"):
        ask_tree("127.0.0.1", server.port)


def test_an_avatar_without_a_face_is_said(monkeypatch):
    monkeypatch.setattr(vrchat_avatar, "_ASK_AGAIN_S", 0.05)
    notices = []
    with FakeVrChat(avatar_tree("avtr_1", {"VRCEmote": "i"})):
        watch = AvatarWatch("127.0.0.1", notices.append, interfaces=("127.0.0.1",))
        wait_until(lambda: bool(notices))
        watch.close()
    assert "the avatar avtr_1 has no face parameters, only its eyes are moved" in notices[0]


def test_a_vrchat_that_is_not_found_is_said(monkeypatch):
    monkeypatch.setattr(vrchat_avatar, "_PATIENCE_S", 0.0)
    notices = []
    watch = AvatarWatch("127.0.0.1", notices.append, interfaces=("127.0.0.1",))
    wait_until(lambda: bool(notices))
    watch.close()
    assert "VRChat is not found by OSCQuery, so it is sent every face parameter there is" in notices[0]


def test_doctor_says_whether_vrchat_is_there(monkeypatch):
    monkeypatch.setattr(vrchat, "_CHECK_S", 5.0)
    with FakeVrChat(avatar_tree("avtr_1", FIRST)):
        assert "the avatar avtr_1 takes 5 face parameters" in check_sink(f"vrchat://?{OWN_INTERFACE}", sink_context())
    monkeypatch.setattr(vrchat, "_CHECK_S", 0.5)
    with pytest.raises(SinkError, match=r"vrchat://127\.0\.0\.1:9000: VRChat is not found by OSCQuery"):
        check_sink(f"vrchat://?{OWN_INTERFACE}", sink_context())
    assert check_sink("vrchat://?discovery=0", sink_context()).endswith("141 parameters of any avatar")


@pytest.mark.parametrize(
    ("url", "error", "sentence"),
    [
        ("vrchat://?rate=0", UsageError, "rate=0; rate must be in 1..100"),
        ("vrchat://?rate=fast", UsageError, "rate=fast; rate must be in 1..100"),
        ("vrchat://?eyes=left", UsageError, "eyes is one of auto, native, parameters"),
        ("vrchat://?colour=1", UsageError, "unknown option 'colour'"),
        ("vrchat://?discovery=0&avatar_file=/nowhere.json", UsageError, "/nowhere.json cannot be used"),
        ("vrchat://[::1]", SinkError, "it speaks IPv4"),
        ("vrchat://no-such-machine.invalid", SinkError, "no machine is called 'no-such-machine.invalid'"),
    ],
)
def test_a_wrong_url_is_one_sentence(url, error, sentence):
    with pytest.raises(error) as caught:
        opened(url)
    assert sentence in str(caught.value)


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(UsageError, match=r"run pip install 'avatar-driver\[vrchat\]', or add \?discovery=0"):
        opened("vrchat://")
    opened("vrchat://?discovery=0").close()
