"""A VTube Studio without models: the plugin API as its public page describes it, written without our codec.

`pyvts`, which is used with the real one, also talks to it (see the tests), so that it is not merely our own idea.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

_LIST = """
FacePositionX FacePositionY FacePositionZ FaceAngleX FaceAngleY FaceAngleZ MouthSmile MouthOpen MouthX Brows TongueOut
EyeOpenLeft EyeOpenRight EyeLeftX EyeLeftY EyeRightX EyeRightY CheekPuff BrowLeftY BrowRightY MousePositionX
MousePositionY VoiceFrequency VoiceVolume VoiceVolumePlusMouthOpen VoiceFrequencyPlusMouthSmile
"""
TRACKING = tuple(_LIST.split())


class ApiError(Exception):
    """Sent to the plugin as APIError."""


class FakeVTubeStudio:
    """A context manager. `port` 0 is any free one; the same one serves again after `stop` and `start`."""

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.is_active = True
        self.clicks: list[bool] = []  # what the user answers, one after the other; nothing: the question stays open
        self.questions = 0
        self.tokens: dict[str, tuple[str, str]] = {}
        self.custom: dict[str, dict[str, Any]] = {}
        self.tracking = list(TRACKING)
        self.taken: set[str] = set()  # parameters that another plugin drives
        self.values: dict[str, float] = {}
        self.face_found: bool | None = None
        self.injected_s: list[float] = []
        self.requests: Counter[str] = Counter()
        self.answer_delay_s = 0.0
        self._server: Server | None = None
        self._connections: set[ServerConnection] = set()
        self._revoked = False

    def start(self) -> None:
        self._server = serve(self._serve, "127.0.0.1", self.port)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        if self._server is not None:
            server, self._server = self._server, None
            server.shutdown()
            self._thread.join()
            for connection in list(self._connections):
                connection.close()

    def revoke(self) -> None:
        """The user takes the permission back: the token and all parameters of the plugin are gone."""
        self.tokens.clear()
        self.custom.clear()
        self._revoked = True

    def __enter__(self) -> FakeVTubeStudio:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _serve(self, connection: ServerConnection) -> None:
        session: dict[str, Any] = {"plugin": None}
        self._connections.add(connection)
        try:
            for text in connection:
                self._answer(connection, json.loads(text), session)
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(connection)

    def _answer(self, connection: ServerConnection, request: dict[str, Any], session: dict[str, Any]) -> None:
        request_id = request.get("requestID", "made-up")
        kind = request["messageType"]
        self.requests[kind] += 1
        try:
            if request["apiName"] != "VTubeStudioPublicAPI":
                raise ApiError(3, "wrong name")
            if request["apiVersion"] != "1.0":
                raise ApiError(4, "wrong version")
            if not (request_id.isascii() and 1 <= len(request_id) <= 64):
                raise ApiError(5, "wrong id")
            if not self.is_active and kind != "APIStateRequest":
                raise ApiError(1, "the API is off")
            method = getattr(self, f"_{kind}", None)
            if method is None:
                raise ApiError(7, f"unknown request {kind}")
            data = method(request.get("data") or {}, session)
            answer = kind.removesuffix("Request") + "Response"
        except ApiError as error:
            answer, data = "APIError", {"errorID": error.args[0], "message": error.args[1]}
        time.sleep(self.answer_delay_s)
        connection.send(
            json.dumps(
                {
                    "apiName": "VTubeStudioPublicAPI",
                    "apiVersion": "1.0",
                    "timestamp": int(1000 * time.time()),
                    "messageType": answer,
                    "requestID": request_id,
                    "data": data,
                }
            )
        )

    def _plugin(self, data: dict[str, Any]) -> tuple[str, str]:
        for number, field in ((52, "pluginName"), (53, "pluginDeveloper")):
            if not 3 <= len(data[field]) <= 32:
                raise ApiError(number, f"{field} is too short or too long")
        return data["pluginName"], data["pluginDeveloper"]

    def _authenticated(self, session: dict[str, Any]) -> str:
        if session["plugin"] is None:
            raise ApiError(8, "not authenticated")
        if self._revoked:
            raise ApiError(50, "User has denied API access for your plugin.")
        return session["plugin"]

    def _APIStateRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
        return {"active": self.is_active, "vTubeStudioVersion": "1.9.0", "currentSessionAuthenticated": False}

    def _AuthenticationTokenRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
        plugin = self._plugin(data)
        self.questions += 1
        while not self.clicks:
            if self._server is None:
                raise ApiError(0, "VTube Studio is being closed")
            time.sleep(0.01)
        if not self.clicks.pop(0):
            raise ApiError(50, "User has denied API access for your plugin.")
        token = f"token-{self.questions}"
        self.tokens[token] = plugin
        self._revoked = False
        return {"authenticationToken": token}

    def _AuthenticationRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
        is_known = self.tokens.get(data["authenticationToken"]) == self._plugin(data)
        session["plugin"] = data["pluginName"] if is_known else None
        return {"authenticated": is_known, "reason": "Token valid." if is_known else "Token invalid."}

    def _InputParameterListRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
        self._authenticated(session)
        numbers = {"value": 0.0, "min": -30, "max": 30, "defaultValue": 0}
        return {
            "modelLoaded": False,
            "modelName": "",
            "modelID": "",
            "customParameters": [{"name": name, **numbers, **fields} for name, fields in self.custom.items()],
            "defaultParameters": [{"name": name, "addedBy": "VTube Studio", **numbers} for name in self.tracking],
        }

    def _ParameterCreationRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
        plugin, name = self._authenticated(session), data["parameterName"]
        if not re.fullmatch("[A-Za-z0-9]{4,32}", name):
            raise ApiError(350, f"the name {name} is not allowed")
        if name in self.tracking:
            raise ApiError(354, f"{name} is VTube Studio's own")
        if self.custom.get(name, {"addedBy": plugin})["addedBy"] != plugin:
            raise ApiError(352, f"{name} belongs to another plugin")
        if len(data["explanation"]) >= 256:
            raise ApiError(353, "the explanation is too long")
        if not all(abs(data[field]) <= 1e6 for field in ("min", "max", "defaultValue")):
            raise ApiError(351, "a number is too large")
        if name not in self.custom and sum(one["addedBy"] == plugin for one in self.custom.values()) >= 100:
            raise ApiError(355, "too many")
        self.custom[name] = {"addedBy": plugin, "min": data["min"], "max": data["max"]}
        return {"parameterName": name}

    def _InjectParameterDataRequest(self, data: dict[str, Any], session: dict[str, Any]) -> dict[str, Any]:
        self._authenticated(session)
        if not data["parameterValues"]:
            raise ApiError(450, "no values")
        for one in data["parameterValues"]:
            if not isinstance(one["value"], int | float) or abs(one["value"]) > 1e6:
                raise ApiError(451, "not a number")
            if one["id"] not in self.custom and one["id"] not in self.tracking:
                raise ApiError(453, f"{one['id']} does not exist")
            if one["id"] in self.taken and data.get("mode", "set") == "set":
                raise ApiError(454, f"{one['id']} is controlled by another plugin")
        self.values |= {one["id"]: one["value"] for one in data["parameterValues"]}
        self.face_found = data.get("faceFound")
        self.injected_s.append(time.monotonic())
        return {}
