"""A VRChat for tests, made from its public description alone: OSCQuery over HTTP and mDNS, OSC read by python-osc."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pythonosc.dispatcher import Dispatcher
from pythonosc.osc_server import BlockingOSCUDPServer
from pythonosc.udp_client import SimpleUDPClient
from zeroconf import ServiceBrowser, ServiceInfo, Zeroconf


def node(path: str, tags: str, *value: Any) -> dict[str, Any]:
    """A leaf as VRChat serves it."""
    return {"FULL_PATH": path, "ACCESS": 3, "TYPE": tags, "VALUE": list(value)}


def avatar_tree(avatar_id: str, parameters: dict[str, str]) -> dict[str, Any]:
    """VRChat's root node with one avatar; `parameters` name: OSC type."""
    root: dict[str, Any] = {"FULL_PATH": "/avatar/parameters", "ACCESS": 0, "CONTENTS": {}}
    for name, tags in parameters.items():
        place, path = root, "/avatar/parameters"
        *folders, last = name.split("/")
        for folder in folders:
            path += "/" + folder
            place = place["CONTENTS"].setdefault(folder, {"FULL_PATH": path, "ACCESS": 0, "CONTENTS": {}})
        place["CONTENTS"][last] = node(f"{path}/{last}", tags, False if tags == "T" else 0)
    avatar = {"change": node("/avatar/change", "s", avatar_id), "parameters": root}
    tracking = {"FULL_PATH": "/tracking", "ACCESS": 0, "CONTENTS": {}}
    return {
        "FULL_PATH": "/",
        "ACCESS": 0,
        "CONTENTS": {"avatar": {"FULL_PATH": "/avatar", "ACCESS": 0, "CONTENTS": avatar}, "tracking": tracking},
    }


class FakeVrChat:
    """Listens on a free OSC port of loopback; `received` holds the last value of each address, `counts` how many."""

    def __init__(self, tree: dict[str, Any], *, is_announced: bool = True) -> None:
        self.tree = tree
        self.received: dict[str, Any] = {}
        self.counts: dict[str, int] = {}
        dispatcher = Dispatcher()
        dispatcher.set_default_handler(self._heard)
        self._osc = BlockingOSCUDPServer(("127.0.0.1", 0), dispatcher)
        self.port = int(self._osc.server_address[1])
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                info = {"NAME": "VRChat-Client-F4A3B2", "OSC_IP": "127.0.0.1", "OSC_PORT": fake.port}
                body = json.dumps(info if "HOST_INFO" in self.path else fake.tree).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._threads = [threading.Thread(target=one.serve_forever, args=(0.05,)) for one in (self._osc, self._http)]
        for thread in self._threads:
            thread.start()
        self._network = Zeroconf(interfaces=["127.0.0.1"])
        if is_announced:
            self.announce()

    def announce(self) -> None:
        service = "_oscjson._tcp.local."
        self._network.register_service(
            ServiceInfo(
                service,
                f"VRChat-Client-F4A3B2.{service}",
                port=self._http.server_address[1],
                parsed_addresses=["127.0.0.1"],
                server="vrchat-test.local.",
            ),
            cooperating_responders=True,
        )

    def leave(self) -> None:
        """What VRChat says of itself when it ends; OSC goes on being received."""
        self._network.unregister_all_services()

    def find(self, kind: str, prefix: str, timeout_s: float = 10.0) -> ServiceInfo:
        """The service of one kind, "_osc._udp" for example, whose name begins with `prefix`."""
        names: list[str] = []
        found = threading.Event()

        def heard(name: str, **event: Any) -> None:
            if name.startswith(prefix):
                names.append(name)
                found.set()

        browser = ServiceBrowser(self._network, f"{kind}.local.", handlers=[heard])
        assert found.wait(timeout_s), f"no {kind} is called {prefix}..."
        browser.cancel()
        info = self._network.get_service_info(f"{kind}.local.", names[0])
        assert info is not None
        return info

    def say(self, port: int, address: str, value: Any) -> None:
        """Send one message to a program that listens on `port`."""
        client = SimpleUDPClient("127.0.0.1", port)
        client.send_message(address, value)
        client._sock.close()

    def _heard(self, address: str, *values: Any) -> None:
        self.received[address] = values[0] if len(values) == 1 else values
        self.counts[address] = self.counts.get(address, 0) + 1

    def parameter(self, name: str) -> Any:
        return self.received.get(f"/avatar/parameters/{name}")

    def __enter__(self) -> FakeVrChat:
        return self

    def __exit__(self, *error: object) -> None:
        self._network.close()
        for server in (self._osc, self._http):
            server.shutdown()
            server.server_close()
        for thread in self._threads:
            thread.join()
