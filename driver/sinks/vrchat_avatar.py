"""Which avatar is worn in VRChat and what of a face it takes: asked by OSCQuery, or read from VRChat's files."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from driver.errors import SinkError, UsageError
from driver.sinks.listen import address_of, own_address
from driver.sinks.oscquery import OscQueryServer, ask_host_info, ask_tree
from driver.sinks.sink import Notice, SaidOnce
from driver.sinks.vrchat_discovery import Client, Discovery
from driver.stage import Worker
from protocol.frame import ProtocolError
from protocol.osc import decode_packet
from protocol.oscquery import Endpoint, HostInfo
from protocol.vrchat import AVATAR_CHANGE, Avatar, any_avatar, avatar_id, avatar_of, decode_avatar_file

_POLL_S = 0.1
_ASK_AGAIN_S = 1.0
# VRChat says that the avatar changes before its tree has: so often it is asked again.
_MOST_QUESTIONS = 8
_CLOSE_S = 5.0
_PATIENCE_S = 10.0
_LONGEST_DATAGRAM = 65_535
# VRChat's own folder; the second is where Steam keeps it on Linux (438100 is VRChat's number there).
_LOCAL_LOW = "AppData/LocalLow/VRChat/VRChat/OSC"
_FOLDERS = (
    _LOCAL_LOW,
    f".local/share/Steam/steamapps/compatdata/438100/pfx/drive_c/users/steamuser/{_LOCAL_LOW}",
)


class AvatarWatch:
    """Follows the avatar in a thread of its own; `avatar` and `port` are always what is known by now.

    host         the machine VRChat runs on
    file         a configuration of VRChat's to use while VRChat itself is not found; None = its newest one, if any
    interfaces   addresses of the network interfaces to look on; none = all
    """

    def __init__(self, host: str, notice: Notice, file: Path | None = None, interfaces: Sequence[str] = ()) -> None:
        self._say = SaidOnce(notice)
        self._file = file
        self.port: int | None = None
        self.avatar = local_avatar(file)
        self._here, self._host = own_address(host), address_of(host)
        self._announced = ""
        self._ended = threading.Event()
        self._settled = threading.Event()
        if ":" in self._host:
            raise SinkError(f"VRChat cannot be looked for at {host}: it speaks IPv4; give such an address")
        name = f"AvatarDriver-{secrets.token_hex(3)}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((self._here, 0))
            self._socket.settimeout(_POLL_S)
            osc_port = int(self._socket.getsockname()[1])
            info = HostInfo(name, self._here, osc_port)
            self._server = OscQueryServer(self._here, info, [Endpoint(AVATAR_CHANGE, "s")], self._fail)
        except BaseException:
            self._socket.close()
            raise
        self._discovery = Discovery(name, self._here, self._server.port, osc_port, interfaces)
        self._worker = Worker("vrchat", self._watch, self._fail)
        self._worker.start()

    def wait(self, timeout_s: float) -> bool:
        """True as soon as VRChat has told what its avatar takes."""
        return self._settled.wait(timeout_s)

    def close(self) -> None:
        """Take our services off the network."""
        self._ended.set()
        self._worker.join(_CLOSE_S)
        self._server.close()
        self._socket.close()

    def _fail(self, name: str, error: BaseException) -> None:
        self._say(f"VRChat's avatar is not followed any more: {error}")

    def _watch(self) -> None:
        with self._discovery as discovery:
            client: Client | None = None
            questions, ask_at_s = 0, 0.0
            missed_at_s = time.monotonic() + _PATIENCE_S
            while not self._ended.is_set():
                if discovery.changed.is_set():
                    discovery.changed.clear()
                    client = discovery.vrchat(self._host)
                    questions, ask_at_s = _MOST_QUESTIONS, 0.0
                    if client is None:
                        self.avatar, self.port = local_avatar(self._file), None
                if client is None and time.monotonic() > missed_at_s:
                    self._say(not_found(self.avatar))
                if self._heard_of_a_change():
                    questions, ask_at_s = _MOST_QUESTIONS, 0.0
                    if client is None:
                        self.avatar = local_avatar(self._file, self._announced)
                if client is not None and questions and time.monotonic() >= ask_at_s:
                    questions = 0 if self._ask(client, questions == 1) else questions - 1
                    ask_at_s = time.monotonic() + _ASK_AGAIN_S

    def _heard_of_a_change(self) -> bool:
        """Listen for a moment; True when VRChat has put on another avatar."""
        try:
            messages = decode_packet(self._socket.recv(_LONGEST_DATAGRAM))
        except (TimeoutError, ConnectionError, ProtocolError):
            return False
        ids = [message.arguments[0] for message in messages if message.address == AVATAR_CHANGE and message.arguments]
        self._announced = next((id for id in reversed(ids) if isinstance(id, str)), self._announced)
        return bool(ids)

    def _ask(self, client: Client, is_last: bool) -> bool:
        """Learn the avatar from VRChat; True when that is settled, or this `is_last` chance."""
        try:
            info = ask_host_info(client.host, client.port)
            endpoints = ask_tree(client.host, client.port)
        except SinkError as error:
            if is_last:
                self._say(f"{client.name} was found, but {error}")
            return False
        id = avatar_id(endpoints)
        if self._announced and id != self._announced and not is_last:
            return False
        avatar = avatar_of(id, endpoints)
        if not avatar.wires and not is_last:
            return False
        self.port = info.osc_port
        self.avatar = avatar
        self._say(_found(client, avatar))
        self._settled.set()
        return True


def not_found(avatar: Avatar) -> str:
    """What to say, and to do, when there is no VRChat; `avatar` is what is sent to in its place."""
    what = f"the parameters of {avatar.id} from its file" if avatar.is_known else "every face parameter there is"
    return (
        f"VRChat is not found by OSCQuery, so it is sent {what}; start it and switch on OSC in its action menu, "
        "let mDNS (UDP 5353) through the firewall, or name the avatar with ?avatar_file=FILE"
    )


def _found(client: Client, avatar: Avatar) -> str:
    if avatar.wires:
        return f"{client.name}: the avatar {avatar.id} takes {len(avatar.wires)} face parameters"
    return (
        f"{client.name}: the avatar {avatar.id} has no face parameters, only its eyes are moved; "
        "choose one made for VRCFaceTracking"
    )


def local_avatar(file: Path | None, id: str = "") -> Avatar:
    """The avatar in `file`, or else the one with this `id`, or the newest, among VRChat's files; or the stand-in.

    UsageError when `file` cannot be used.
    """
    if file is not None:
        try:
            return decode_avatar_file(file.read_bytes())
        except (OSError, ProtocolError) as error:
            raise UsageError(f"{file} cannot be used: {error}; give VRChat's OSC/USER/Avatars/AVATAR.json") from error
    found = [path for folder in _FOLDERS for path in (Path.home() / folder).glob("*/Avatars/*.json")]
    named = [path for path in found if id in ("", path.stem)]
    for path in sorted(named, key=_changed_s, reverse=True):
        try:
            return decode_avatar_file(path.read_bytes())
        except (OSError, ProtocolError):
            continue  # VRChat may be writing it
    return any_avatar()


def _changed_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
