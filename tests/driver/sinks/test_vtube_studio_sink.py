"""The VTube Studio output against a VTube Studio made from the API's public page, which pyvts can speak to as well."""

import asyncio
import os
import socket
import stat
import time

import pytest
import pyvts
from support.stream import numbered, sink_context, wait_until
from support.vtube_studio import FakeVTubeStudio

from driver.errors import SinkError, UsageError
from driver.publish import check_sink, open_sink
from driver.sinks import vtube_studio as sink_module
from driver.sinks import vtube_studio_session as session_module
from driver.sinks.vtube_studio import VTubeStudioSink
from driver.sinks.vtube_studio_token import TokenFile
from protocol.golden.frames import neutral
from protocol.vtube_studio_face import OWN_PARAMETERS, own_values, tracking_values


@pytest.fixture
def studio():
    with FakeVTubeStudio() as fake:
        yield fake


@pytest.fixture
def connect(tmp_path, monkeypatch):
    """Opens outputs that are quick to try again, and closes them in the end."""
    monkeypatch.setattr(sink_module, "_FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(sink_module, "_WORKED_S", 0.0)
    monkeypatch.setattr(session_module, "_DENIED_WAIT_S", 0.1)
    opened = []

    def open_(port, notices=None, parameters="all"):
        context = sink_context(notices)
        opened.append(VTubeStudioSink(f"vts://127.0.0.1:{port}", "127.0.0.1", port, context, parameters, tmp_path))
        return opened[-1]

    yield open_
    for sink in opened:
        sink.close()


def send_until(sink, condition):
    """Sends frames as the driver does until `condition` holds."""

    def step():
        sink.send(numbered(1), b"")
        return condition()

    wait_until(step)


def texts(notices):
    return [notice.partition(": ")[2] for notice in notices]


def test_the_fake_speaks_with_a_client_of_the_real_one(studio, tmp_path):
    async def converse():
        client = pyvts.vts(
            plugin_info={
                "plugin_name": "pyvts test",
                "developer": "somebody",
                "authentication_token_path": str(tmp_path / "token.txt"),
                "plugin_icon": None,
            },
            vts_api_info={"name": "VTubeStudioPublicAPI", "version": "1.0", "host": "127.0.0.1", "port": studio.port},
        )
        await client.connect()
        await client.request_authenticate_token()
        assert await client.request_authenticate()
        request = client.vts_request
        await client.request(request.requestCustomParameter("TheirParameter"))
        await client.request(request.requestSetParameterValue("TheirParameter", 0.25, face_found=True))
        listed = await client.request(request.requestTrackingParameterList())
        unknown = await client.request(request.requestSetParameterValue("Unknown", 1))
        await client.close()
        return listed["data"], unknown

    studio.clicks = [True]
    listed, unknown = asyncio.run(converse())
    assert [row["name"] for row in listed["customParameters"]] == ["TheirParameter"]
    assert studio.values == {"TheirParameter": 0.25}
    assert studio.face_found is True
    assert (unknown["messageType"], unknown["data"]["errorID"]) == ("APIError", 453)


def test_the_first_time_the_user_clicks_allow_and_the_face_arrives(studio, connect, tmp_path):
    notices = []
    sink = connect(studio.port, notices)
    wait_until(lambda: studio.questions == 1)
    assert sink.clients() == 0
    assert texts(notices) == [
        "click Allow in VTube Studio, which asks whether Avatar Driver may control it; it is asked once"
    ]
    studio.clicks = [True]
    send_until(sink, lambda: studio.injected_s)
    assert sink.clients() == 1
    frame = numbered(1)
    assert studio.values == {**tracking_values(frame), **own_values(frame)}
    assert studio.face_found is True
    assert set(studio.custom) == {parameter.name for parameter in OWN_PARAMETERS}
    assert texts(notices)[1:] == ["VTube Studio takes the face"]
    token_file = tmp_path / f"127.0.0.1_{studio.port}.token"
    assert token_file.read_text() == "token-1\n"
    if os.name != "nt":
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600


def test_the_token_and_the_parameters_are_used_again(studio, connect):
    studio.clicks = [True]
    first = connect(studio.port)
    send_until(first, lambda: studio.injected_s)
    first.close()
    studio.requests.clear()
    second = connect(studio.port)
    studio.injected_s.clear()
    send_until(second, lambda: studio.injected_s)
    assert studio.questions == 1
    assert studio.requests["AuthenticationTokenRequest"] == studio.requests["ParameterCreationRequest"] == 0


def test_a_refused_token_is_asked_for_again(studio, connect, tmp_path):
    TokenFile(tmp_path, "127.0.0.1", studio.port).save("of-yesterday")
    studio.clicks = [True]
    send_until(connect(studio.port), lambda: studio.injected_s)
    assert studio.questions == 1
    assert TokenFile(tmp_path, "127.0.0.1", studio.port).load() == "token-1"


def test_a_permission_taken_back_while_it_runs_is_asked_for_again(studio, connect):
    notices = []
    studio.clicks = [True]
    sink = connect(studio.port, notices)
    send_until(sink, lambda: studio.injected_s)
    studio.revoke()
    send_until(sink, lambda: studio.questions == 2)
    studio.injected_s.clear()
    studio.clicks = [True]
    send_until(sink, lambda: studio.injected_s)
    assert len(studio.custom) == len(OWN_PARAMETERS)
    assert "VTube Studio takes no frames: it has withdrawn the permission; it is asked for again" in texts(notices)


def test_a_user_who_says_no_is_told_and_asked_later(studio, connect):
    notices = []
    studio.clicks = [False, True]
    sink = connect(studio.port, notices)
    send_until(sink, lambda: studio.injected_s)
    assert studio.questions == 2
    assert texts(notices)[1] == (
        "VTube Studio takes no frames: it was told not to allow Avatar Driver; it asks again in a minute"
    )


def test_vtube_studio_may_come_late_go_and_come_again(studio, connect):
    notices = []
    port = studio.port
    studio.stop()
    sink = connect(port, notices)
    send_until(sink, lambda: notices)
    assert texts(notices)[0].startswith("VTube Studio is not there; start it and turn on `Allow Plugin API access`")
    studio.clicks = [True]
    studio.start()
    send_until(sink, lambda: studio.injected_s)
    for _ in range(2):
        studio.stop()
        send_until(sink, lambda: sink.clients() == 0)
        studio.injected_s.clear()
        studio.start()
        send_until(sink, lambda: studio.injected_s)
    for sentence in ("VTube Studio has gone; it is waited for", "VTube Studio takes the face"):
        assert texts(notices).count(sentence) >= 2
    assert studio.questions == 1


def test_frames_arrive_at_sixty_a_second_and_not_more(studio, connect):
    studio.clicks = [True]
    sink = connect(studio.port)
    send_until(sink, lambda: sink.clients() == 1)
    studio.injected_s.clear()
    start_s = time.monotonic()
    for frame in range(240):
        time.sleep(max(0.0, start_s + frame / 120 - time.monotonic()))
        sink.send(numbered(1), b"")
    wait_until(lambda: not sink._frames)
    # 2 s; the machine may be busy with something else.
    assert 80 <= len(studio.injected_s) <= 124


def test_a_slow_vtube_studio_gets_fewer_frames_and_holds_up_nobody(studio, connect):
    studio.clicks = [True]
    sink = connect(studio.port)
    send_until(sink, lambda: sink.clients() == 1)
    studio.answer_delay_s = 0.1
    studio.injected_s.clear()
    longest_s = 0.0
    start_s = time.monotonic()
    while time.monotonic() < start_s + 1:
        before_s = time.monotonic()
        sink.send(numbered(1), b"")
        longest_s = max(longest_s, time.monotonic() - before_s)
        time.sleep(0.01)
    assert longest_s < 0.1
    assert 2 <= len(studio.injected_s) <= 16
    # The newest frame stands behind four others at most, not behind all that were sent.
    sink.send(neutral(), b"")
    wait_until(lambda: studio.face_found is False, timeout_s=2)


def test_a_lost_face_is_said_and_its_values_stay_alive(studio, connect):
    studio.clicks = [True]
    sink = connect(studio.port)
    send_until(sink, lambda: studio.injected_s)
    sink.send(neutral(), b"")
    wait_until(lambda: studio.face_found is False)
    assert studio.values["MouthOpen"] == 0
    studio.injected_s.clear()
    wait_until(lambda: len(studio.injected_s) >= 2)  # without a new frame
    gaps_s = [after - before for before, after in zip(studio.injected_s, studio.injected_s[1:], strict=False)]
    assert max(gaps_s) < 1.0


def test_a_sender_that_has_stopped_lets_go_of_the_face(studio, connect, monkeypatch):
    monkeypatch.setattr(session_module, "_REFRESH_S", 0.05)
    monkeypatch.setattr(session_module, "_LET_GO_S", 0.3)
    studio.clicks = [True]
    sink = connect(studio.port)
    send_until(sink, lambda: len(studio.injected_s) > 3)
    time.sleep(0.6)
    count = len(studio.injected_s)
    time.sleep(0.4)
    assert len(studio.injected_s) == count
    send_until(sink, lambda: len(studio.injected_s) > count)


@pytest.mark.parametrize(("parameters", "count"), [("all", 76), ("own", 56), ("tracking", 20)])
def test_which_parameters_are_fed(studio, connect, parameters, count):
    studio.clicks = [True]
    send_until(connect(studio.port, parameters=parameters), lambda: studio.injected_s)
    assert len(studio.values) == count
    assert len(studio.custom) == (0 if parameters == "tracking" else 56)


def test_what_an_old_vtube_studio_does_not_have_is_left_out(studio, connect):
    studio.clicks = [True]
    studio.tracking.remove("CheekPuff")
    send_until(connect(studio.port), lambda: studio.injected_s)
    assert "CheekPuff" not in studio.values
    assert len(studio.values) == 75


def test_a_parameter_of_another_plugin_stays_with_it(studio, connect):
    notices = []
    studio.clicks = [True]
    studio.custom["AvatarJawOpen"] = {"addedBy": "Somebody"}
    send_until(connect(studio.port, notices), lambda: studio.injected_s)
    assert "AvatarJawOpen" not in studio.values
    assert "the parameter AvatarJawOpen belongs to the plug-in Somebody, and stays with it" in texts(notices)


def test_another_plugin_that_drives_the_same_is_said_once(studio, connect):
    notices = []
    studio.clicks = [True]
    studio.taken.add("FaceAngleX")
    sink = connect(studio.port, notices)
    send_until(sink, lambda: any("another plug-in drives the same parameters" in notice for notice in notices))
    studio.taken.clear()
    send_until(sink, lambda: studio.injected_s)
    assert len(notices) == 3


def test_a_parameter_that_the_user_deletes_is_made_again(studio, connect):
    studio.clicks = [True]
    sink = connect(studio.port)
    send_until(sink, lambda: studio.injected_s)
    del studio.custom["AvatarJawOpen"]
    send_until(sink, lambda: "AvatarJawOpen" in studio.custom)


def test_closing_is_quick_while_a_question_is_open(studio, connect):
    sink = connect(studio.port)
    wait_until(lambda: studio.questions == 1)
    start_s = time.monotonic()
    sink.close()
    sink.close()
    assert time.monotonic() - start_s < 2
    studio.clicks = [False]


def test_a_token_that_is_none_is_not_used(tmp_path):
    tokens = TokenFile(tmp_path / "new", "::1", 8001)
    assert tokens.load() is None
    tokens.save("good")
    assert tokens.load() == "good"
    for nonsense in (b"", b"a b", b"x" * 65, b"\xff"):
        tokens.path.write_bytes(nonsense)
        assert tokens.load() is None
    tokens.forget()
    tokens.forget()
    assert not list(tokens.path.parent.iterdir())


def test_doctor_says_whether_vtube_studio_is_there(studio, tmp_path, monkeypatch):
    monkeypatch.setattr(sink_module, "tokens_folder", lambda: tmp_path)
    url, context = f"vts://127.0.0.1:{studio.port}", sink_context()
    assert check_sink(url, context) == "VTube Studio is there; the first run asks you to click Allow in it"
    TokenFile(tmp_path, "127.0.0.1", studio.port).save("known")
    assert check_sink(url, context) == "VTube Studio is there"
    assert studio.questions == 0
    studio.is_active = False
    with pytest.raises(SinkError, match="its API is off; turn on `Allow Plugin API access`"):
        check_sink(url, context)
    studio.stop()
    with pytest.raises(SinkError, match="VTube Studio is not there; start it"):
        check_sink(url, context)
    with pytest.raises(UsageError, match="unknown option 'token'"):
        check_sink(f"{url}?token=1", context)


def test_something_else_on_the_port_is_recognised():
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(10)
        port = other.getsockname()[1]
        notices = []
        sink = open_sink(f"vts://127.0.0.1:{port}", sink_context(notices))
        stream, _ = other.accept()
        stream.recv(4096)
        stream.sendall(b"220 mail.example ESMTP\r\n")
        stream.close()
        wait_until(lambda: notices)
        sink.close()
    assert "what listens there is not VTube Studio" in notices[0]
