"""Who speaks OSCQuery here: finds VRChat on the network by mDNS, and lets VRChat find us."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from driver.errors import SinkError, UsageError

_QUERY_SERVICE = "_oscjson._tcp.local."
_OSC_SERVICE = "_osc._udp.local."
_VRCHAT = "VRChat-Client-"
_RESOLVE_MS = 1000


@dataclass(frozen=True)
class Client:
    """A running VRChat: the name it goes by and where it answers OSCQuery."""

    name: str
    host: str
    port: int


def need_zeroconf() -> Any:
    """The optional package; UsageError with the remedy when it is not there."""
    try:
        import zeroconf
    except ImportError as error:
        raise UsageError(
            "vrchat:// finds VRChat with the package zeroconf, which is not installed; "
            "run pip install 'avatar-driver[vrchat]', or add ?discovery=0 to do without"
        ) from error
    return zeroconf


class Discovery:
    """A context manager: announces our two services and keeps a list of VRChats until its end.

    name         of our services, to be seen in VRChat
    host         where they listen
    interfaces   addresses of the network interfaces to ask and answer on; none = all of them
    """

    def __init__(self, name: str, host: str, query_port: int, osc_port: int, interfaces: Sequence[str] = ()) -> None:
        self._zeroconf = need_zeroconf()
        self._name, self._host, self._ports = name, host, {_QUERY_SERVICE: query_port, _OSC_SERVICE: osc_port}
        self._interfaces = list(interfaces) or self._zeroconf.InterfaceChoice.All
        # Written by a thread of zeroconf's; the newest last.
        self._found: tuple[str, ...] = ()
        # Set when a VRChat came or went; whoever looks clears it.
        self.changed = threading.Event()

    def __enter__(self) -> Discovery:
        try:
            self._network = self._zeroconf.Zeroconf(interfaces=self._interfaces)
        except OSError as error:
            raise SinkError(
                f"VRChat cannot be looked for on the network: {error.strerror or error}; "
                "check the interface, or add ?discovery=0"
            ) from error
        self._browser = self._zeroconf.ServiceBrowser(self._network, _QUERY_SERVICE, handlers=[self._heard])
        for service, port in self._ports.items():
            self._network.register_service(
                self._zeroconf.ServiceInfo(
                    service,
                    f"{self._name}.{service}",
                    port=port,
                    properties={"txtvers": "1"},
                    server=f"{self._name}.local.",
                    parsed_addresses=[self._host],
                ),
                cooperating_responders=True,  # nobody else has our random name: no need to ask around for seconds
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._browser.cancel()
        self._network.close()

    def _heard(self, zeroconf: Any, service_type: str, name: str, state_change: Any) -> None:
        if not name.startswith(_VRCHAT):
            return
        others = tuple(known for known in self._found if known != name)
        is_gone = state_change is self._zeroconf.ServiceStateChange.Removed
        self._found = others if is_gone else (*others, name)
        self.changed.set()

    def vrchat(self, host: str) -> Client | None:
        """The VRChat that appeared last on the machine `host`, an address; None when there is none."""
        for name in reversed(self._found):
            info = self._network.get_service_info(_QUERY_SERVICE, name, _RESOLVE_MS)
            if info is None or not info.port:
                continue
            for address in info.parsed_addresses():
                if address == host or (is_ours(host) and is_ours(address)):
                    return Client(name.removesuffix(f".{_QUERY_SERVICE}"), address, info.port)
        return None


def is_ours(address: str) -> bool:
    """True when `address` is one of this machine's."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
