"""Every kind of client, for `everywhere.py`; a file for each family."""

from __future__ import annotations

from endurance.clients.client import Client
from endurance.clients.godot_scene import GodotScene
from endurance.clients.own_packets import PlainUdp, UnityReader, ZeroMq
from endurance.clients.phone_apps import IFacialMocap, LiveLink
from endurance.clients.remote_peer import AvatarCodec
from endurance.clients.vmc import VmcAssistant, VmcPerformer
from endurance.clients.vrchat import VrChat
from endurance.clients.vtube_studio import VTubeStudio
from endurance.clients.web_page import Page


def every_client(period_s: float, first_s: float) -> list[Client]:
    """One of each, for a recording with a frame every `period_s`, whose first was published at `first_s`."""
    return [
        UnityReader(),
        GodotScene(),
        Page(),
        ZeroMq(),
        PlainUdp(),
        AvatarCodec(period_s, first_s),
        VmcPerformer(period_s, first_s),
        VmcAssistant(),
        LiveLink(first_s),
        IFacialMocap(),
        VrChat(),
        VTubeStudio(),
    ]
