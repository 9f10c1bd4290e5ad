"""OSCQuery: a program's OSC addresses as JSON, so that others find out what it takes. Text in, text out; no sockets.

Follows Vidvox's proposal: nodes with FULL_PATH, CONTENTS, TYPE, ACCESS and VALUE; HOST_INFO says where OSC goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from protocol.frame import ProtocolError

MAX_REPLY_BYTES = 8_000_000
_NO_VALUE, _WRITE_ONLY, _READ_WRITE = 0, 2, 3
_MAX_DEPTH = 32
_EXTENSIONS = {"ACCESS": True, "TYPE": True, "VALUE": True, "RANGE": False, "CLIPMODE": False}


@dataclass(frozen=True)
class Endpoint:
    """One OSC address: its type tags ("f", "T", "s" ...), what it holds now, and whether others may write to it."""

    address: str
    tags: str
    value: tuple[Any, ...] = ()
    is_writable: bool = True


@dataclass(frozen=True)
class HostInfo:
    """Who answers, and the address and port that its OSC messages go to; None where it does not say."""

    name: str
    osc_ip: str | None
    osc_port: int | None


def encode_host_info(info: HostInfo) -> bytes:
    """The reply to `?HOST_INFO`."""
    fields = {"NAME": info.name, "EXTENSIONS": _EXTENSIONS, "OSC_TRANSPORT": "UDP"}
    return json.dumps({**fields, "OSC_IP": info.osc_ip, "OSC_PORT": info.osc_port}).encode()


def decode_host_info(data: bytes) -> HostInfo:
    """Take a reply to `?HOST_INFO` apart; ProtocolError when it is none."""
    info = _object(data)
    name, ip, port = info.get("NAME", ""), info.get("OSC_IP"), info.get("OSC_PORT")
    if not isinstance(name, str) or not (ip is None or isinstance(ip, str)):
        raise ProtocolError(f"the OSCQuery host calls itself {name!r} at {ip!r}; both must be text")
    if port is not None and (not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536):
        raise ProtocolError(f"the OSCQuery host listens on the port {port!r}; it must be in 1..65535")
    return HostInfo(name, ip, port)


def tree(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The root node of all `endpoints`, ready for `json.dumps`."""
    root: dict[str, Any] = {"FULL_PATH": "/", "ACCESS": _NO_VALUE, "CONTENTS": {}}
    for endpoint in endpoints:
        node, path = root, ""
        for name in endpoint.address.strip("/").split("/"):
            path += "/" + name
            contents = node.setdefault("CONTENTS", {})
            node = contents.setdefault(name, {"FULL_PATH": path, "ACCESS": _NO_VALUE})
        node |= {"TYPE": endpoint.tags, "ACCESS": _READ_WRITE if endpoint.value else _WRITE_ONLY}
        if endpoint.value:
            node["VALUE"] = list(endpoint.value)
    return root


def answer(root: dict[str, Any], info: HostInfo, path: str, attributes: Sequence[str]) -> tuple[int, bytes]:
    """HTTP status and JSON for a GET of `path` with the names after the question mark.

    404 for an unknown path, 400 for an unknown attribute, 204 (and nothing) for one that the node does not have.
    """
    if "HOST_INFO" in attributes:
        return 200, encode_host_info(info)
    node: dict[str, Any] | None = root
    for name in path.strip("/").split("/") if path.strip("/") else ():
        node = node.get("CONTENTS", {}).get(name) if node is not None else None
    if node is None:
        return 404, b"{}"
    if not attributes:
        return 200, json.dumps(node).encode()
    attribute = attributes[0]
    if attribute not in ("FULL_PATH", "CONTENTS", *_EXTENSIONS):
        return 400, b"{}"
    if attribute not in node:
        return 204, b""
    return 200, json.dumps({attribute: node[attribute]}).encode()


def decode_tree(data: bytes) -> list[Endpoint]:
    """All addresses with a type in a reply, in its order; ProtocolError when it is no OSCQuery node."""
    found: list[Endpoint] = []
    _collect(_object(data), found, 0)
    return found


def _collect(node: dict[str, Any], found: list[Endpoint], depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ProtocolError(f"the OSCQuery tree is more than {_MAX_DEPTH} deep")
    address, tags, access = node.get("FULL_PATH"), node.get("TYPE"), node.get("ACCESS", _READ_WRITE)
    contents, value = node.get("CONTENTS", {}), node.get("VALUE", [])
    if not isinstance(address, str) or not address.startswith("/") or "\0" in address:
        raise ProtocolError(f"an OSCQuery node has the path {address!r}; it must begin with / and hold no NUL")
    if not isinstance(contents, dict) or not (tags is None or isinstance(tags, str)):
        raise ProtocolError(f"the OSCQuery node {address} has contents or a type of the wrong kind")
    if tags:
        held = tuple(cast(list[Any], value)) if isinstance(value, list) else ()
        found.append(Endpoint(address, tags, held, isinstance(access, int) and bool(access & _WRITE_ONLY)))
    for child in cast(dict[str, Any], contents).values():
        if not isinstance(child, dict):
            raise ProtocolError(f"the OSCQuery node {address} holds {child!r:.40}; it must hold nodes")
        _collect(cast(dict[str, Any], child), found, depth + 1)


def _object(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_REPLY_BYTES:
        raise ProtocolError(f"the OSCQuery reply has {len(data)} bytes; the most is {MAX_REPLY_BYTES}")
    try:
        found: Any = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"the OSCQuery reply is not JSON: {str(error)[:100]}") from error
    if not isinstance(found, dict):
        raise ProtocolError("the OSCQuery reply is not a JSON object")
    return cast(dict[str, Any], found)
