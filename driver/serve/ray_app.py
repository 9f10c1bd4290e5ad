"""Voices on many machines: a Ray Serve deployment whose replicas each drive as many as they have time for.

    serve run driver.serve.ray_app:app                                # on this machine, ws://127.0.0.1:8000/
    serve run driver.serve.ray_app:app replicas=4 most_voices=20      # on a cluster

Ray's proxy spreads connections over the replicas; what each does is `driver.serve.asgi`.
"""

from __future__ import annotations

import importlib
from typing import Any

from driver.config import Settings
from driver.errors import RunError, UsageError
from driver.knobs import VoiceSettings
from driver.serve.asgi import AsgiVoices

_REMEDY = "install it with `pip install 'avatar-driver[serve]'`"
_OPTIONS = {"replicas": "1", "most_voices": "", "every": "1", "model": "", "origin": ""}
# A connection is a request to Ray: as many as a replica could ever drive. Admission is ours.
_MOST_REQUESTS = 1024


def app(arguments: dict[str, str]) -> Any:
    """What `serve run` asks for. Options: replicas, most_voices, every (publish each n-th hop), model (a voice model),
    origin (URL[,URL...]: web pages that may speak, beside those of this machine).

    A replica takes one core. Raises UsageError for options that it does not know, RunError without Ray Serve.
    """
    for name in arguments:
        if name not in _OPTIONS:
            raise UsageError(f"unknown option {name!r}; there are: {', '.join(_OPTIONS)}")
    given = _OPTIONS | arguments
    replicas, every = _number("replicas", given["replicas"]), _number("every", given["every"])
    most_voices = _number("most_voices", given["most_voices"]) if given["most_voices"] else None
    origins = tuple(filter(None, given["origin"].split(",")))
    settings = Settings(voice=VoiceSettings(model=given["model"]))
    try:
        serve: Any = importlib.import_module("ray.serve")
    except ImportError as error:
        raise RunError(f"Ray Serve is not installed; {_REMEDY}") from error

    class Replica:
        """Ray wants a class around an ASGI application."""

    ingress = serve.ingress(AsgiVoices(settings, most_voices, every, origins=origins))(Replica)
    options = {"num_replicas": replicas, "max_ongoing_requests": _MOST_REQUESTS, "ray_actor_options": {"num_cpus": 1}}
    return serve.deployment(**options)(ingress).bind()


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"{name} is {text!r}; it must be a whole number from 1")
    return int(text)
