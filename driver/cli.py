"""The command line. Reads options, builds one run and turns every failure into one sentence and an exit code."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from driver import __version__
from driver.config import DEFAULT_OUTPUTS, PREVIEW_PORT, Device, Settings, Tracker, load_config
from driver.errors import AvatarDriverError, UsageError
from driver.portrait import PictureSettings, picture_size
from protocol.frame import OPEN_HEAD_ID, ProtocolError

if TYPE_CHECKING:
    from driver.assemble import Run
    from driver.console_keys import ConsoleKeys

_DESCRIPTION = "Webcam and microphone in; expression and jaw coefficients out, to Unity, Unreal, VRM apps and browsers."
_EPILOG = """\
commands:
  avatar-driver doctor               check camera, microphone, models, outputs; say what to do
  avatar-driver calibrate --webcam   15 seconds in which it gets to know your face and microphone
  avatar-driver profiles             list what it knows
  avatar-driver head add FILE        drive a FLAME head of yours
  avatar-driver head export FILE.glb the open head with its 52 shapes, for engines
  avatar-driver replay FILE          send a recording again, with its own timing
  avatar-driver receive avatar://    a remote peer's face, to any output
  avatar-driver serve                many voices in, over TCP and WebSocket; a face out for each
  avatar-driver export FILE --to npz turn a recording into a file for other programs
  avatar-driver keys FILE            make a CURVE key pair for encrypted ZeroMQ
  avatar-driver bench                measure this machine

examples:
  avatar-driver --demo               the embedded sample: see it work
  avatar-driver --webcam --mic       the whole life
  avatar-driver --webcam --mic --out vmc:// --out zmq://
  avatar-driver --video talk.mp4 --record talk.adrec

while it runs: c = the head looks straight ahead now, Ctrl-C = end
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `{self.prog} --help`")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0 done, 1 a run-time fault, 2 wrong usage."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        if arguments and arguments[0] in _COMMANDS:
            return _COMMANDS[arguments[0]](arguments[1:])
        return _run(arguments)
    except (AvatarDriverError, ProtocolError) as error:
        print(f"avatar-driver: {error}", file=sys.stderr)
        return getattr(error, "exit_code", 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a closed pipe is the reader's wish, no fault
        return 0


def run_parser() -> argparse.ArgumentParser:
    """The options of the main command. Defaults live in `driver.config.Settings`; an option not given is None."""
    parser = _Parser(
        prog="avatar-driver",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"avatar-driver {__version__}")
    # What goes in
    add("--webcam", nargs="?", const="0", metavar="CAM", help="camera: index, name or URL (default: the first)")
    add("--mic", nargs="?", const="", metavar="MIC", help="microphone: index or name (default: the system's)")
    add("--video", metavar="FILE", help="video file or picture; its sound is used too unless --audio says otherwise")
    add("--audio", metavar="FILE", help="sound or video file; - = raw PCM on stdin; pcm://HOST:PORT; none")
    add("--demo", action="store_true", default=None, help="the embedded sample, in real time")
    add("--realtime", action="store_true", default=None, help="pace files by their own clock")
    add("--loop", action="store_true", default=None, help="start files again at their end")
    add("--duration", type=float, dest="duration_s", metavar="S", help="stop after S seconds")
    # What comes out
    add("--out", action="append", metavar="URL", help=f"a sink; may be repeated (default: {' '.join(DEFAULT_OUTPUTS)})")
    add("--record", metavar="FILE", help="append every frame to FILE")
    add("--force", action="store_true", help="overwrite the recording if it exists")
    add("--rate", type=float, dest="rate_hz", metavar="HZ", help="frames a second (default: 60)")
    _add_preview(parser, "all channels and things to turn")
    add(
        "--virtual-camera",
        nargs="?",
        const="",
        metavar="DEVICE",
        help="show the drawn head in this virtual camera (default: the system's first)",
    )
    add("--background", metavar="COLOUR", help="behind that head: #rrggbb, green, blue, black, white, grey (green)")
    add("--picture-size", metavar="WIDTHxHEIGHT", help="of that camera (1280x720)")
    add("--picture-rate", type=float, metavar="HZ", help="of that camera (30)")
    add("--profile", metavar="NAME", help="be the person of this profile (see `avatar-driver calibrate`)")
    add("--mirror", action="store_true", default=None, help="exchange left and right in everything that is sent")
    # How the camera drives the face
    add("--tracker", choices=get_args(Tracker), help="what reads the face: our network, or MediaPipe with our solver")
    add(
        "--face-lookahead",
        type=int,
        dest="face_lookahead",
        metavar="N",
        help="0, 1 or 2 pictures: later and steadier (0)",
    )
    add("--face-model", metavar="FILE", help="a face.onnx; with --tracker mediapipe its face_landmarker.task")
    add("--detail", metavar="FILE", help="a detail.onnx of your own: frames also tell the skin's wrinkles")
    # How the voice drives the face
    add("--lookahead", type=int, dest="lookahead_ms", metavar="MS", help="0, 20, 40 ... 240: later and better (80)")
    add("--articulation", type=float, metavar="X", help="strength of speech, 0..2 (default: 1)")
    add("--laughter", type=float, metavar="X", help="strength of what laughter adds, 0..2 (default: 1)")
    add("--smoothing", type=float, dest="smoothing_ms", metavar="MS", help="smooth the voice's motion (default: 0)")
    add("--style", metavar="NAME", help="a style that the model has learnt, or its numbers")
    add("--voice-model", dest="model", metavar="FILE", help="an .onnx file, or envelope: the one that learnt nothing")
    add("--control", metavar="URL", help="turn these while it runs: osc://127.0.0.1:9011 (default: nobody can)")
    # How
    add("--config", metavar="FILE.toml", help="settings; options on the command line win")
    add("--device", choices=get_args(Device), help="where networks run (default: auto)")
    add("--head", metavar="ID", help="publish coefficients of this head (see `avatar-driver head list`)")
    add("--list-devices", action="store_true", help="list cameras and microphones, and leave")
    add("--quiet", action="store_true", help="no status line")
    return parser


def _add_preview(parser: argparse.ArgumentParser, shown: str) -> None:
    parser.add_argument(
        "--preview",
        nargs="?",
        const=PREVIEW_PORT,
        type=int,
        metavar="PORT",
        help=f"a page on this machine with the head, {shown} (port {PREVIEW_PORT})",
    )


def settings_from(options: argparse.Namespace, needs_input: bool = True) -> Settings:
    """The configuration file's settings with the command line's on top; checks that the inputs make sense together."""
    settings = Settings()
    if options.config is not None:
        settings = load_config(Path(options.config), settings)
    given: dict[str, Any] = {
        name: value for name, value in vars(options).items() if value is not None and hasattr(settings, name)
    }
    if "out" in given:
        given["out"] = tuple(given["out"])
    voice = {one.name: vars(options)[one.name] for one in fields(settings.voice)}
    given["voice"] = replace(settings.voice, **{name: value for name, value in voice.items() if value is not None})
    given["picture"] = _picture(settings.picture, options)
    settings = replace(settings, **given)
    pictures = [name for name in ("webcam", "video", "demo") if getattr(settings, name) not in (None, False)]
    sounds = [name for name in ("mic", "audio", "demo") if getattr(settings, name) not in (None, False)]
    if needs_input and not pictures and not sounds:
        raise UsageError("nothing to do: give --webcam and/or --mic, a file with --video or --audio, or --demo")
    for inputs in (pictures, sounds):
        if len(inputs) > 1:
            raise UsageError(f"--{inputs[0]} and --{inputs[1]} exclude each other; give one of them")
    return settings


def _picture(settings: PictureSettings, options: argparse.Namespace) -> PictureSettings:
    changes: dict[str, Any] = {"background": options.background, "rate_hz": options.picture_rate}
    if options.picture_size is not None:
        changes["width"], changes["height"] = picture_size(options.picture_size)
    return replace(settings, **{name: value for name, value in changes.items() if value is not None})


def _run(arguments: list[str]) -> int:
    options = run_parser().parse_args(arguments)
    if options.list_devices:
        from driver.capture.devices import print_devices

        print_devices()
        return 0
    settings = settings_from(options)
    from driver.assemble import assemble
    from driver.status import StatusLine

    with StatusLine(is_quiet=options.quiet) as status:
        run = assemble(settings, notify=status.notice, overwrite=options.force)
        status.watch(run)

        # Ctrl-C, or a service manager's polite request, is how a live run ends: not an error. To stop the pipeline from
        # within a signal's handler would wait for locks that the interrupted code holds.
        def end(number: int, frame: FrameType | None) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second request must not interrupt the end
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, end)
        with contextlib.suppress(KeyboardInterrupt), run.control, _keys_of(run, status.notice):
            run.pipeline.run()
    print(status.summary())
    return 0


def _keys_of(run: Run, notice: Callable[[str], None]) -> ConsoleKeys:
    from driver.console_keys import ConsoleKeys

    face = run.face
    if face is None:
        return ConsoleKeys({})

    def centre() -> None:
        face.centre.ask()
        notice("centred: where the head is now is straight ahead")

    return ConsoleKeys({"c": centre})


def _calibrate(arguments: list[str]) -> int:
    from driver.calibrate import DEFAULT_NAME, calibrate

    parser = run_parser()
    parser.prog, parser.epilog = "avatar-driver calibrate", None
    parser.description = "Get to know a face and a microphone in 15 seconds; takes the inputs of a run."
    parser.add_argument("--name", default=DEFAULT_NAME, metavar="NAME", help=f"of the profile ({DEFAULT_NAME})")
    options = parser.parse_args(arguments)
    calibrate(settings_from(options), options.name, _notice)
    return 0


def _profiles(arguments: list[str]) -> int:
    parser = _Parser(prog="avatar-driver profiles", description="List what --profile accepts.")
    parser.parse_args(arguments)
    from driver.profiles import print_profiles

    print_profiles()
    return 0


def _doctor(arguments: list[str]) -> int:
    parser = run_parser()
    parser.prog, parser.epilog = "avatar-driver doctor", None
    parser.description = "Check what a run with these options needs; each line is ok or the remedy."
    options = parser.parse_args(arguments)
    from driver.doctor import diagnose

    return diagnose(settings_from(options, needs_input=False))


def _head(arguments: list[str]) -> int:
    parser = _Parser(prog="avatar-driver head", description="Heads whose coefficients can be published.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="register a FLAME file (.pkl or .npz) and solve its motion map")
    add.add_argument("file", metavar="FILE")
    add.add_argument("--name", metavar="ID", help="id that the frames will carry (default: from the file's name)")
    commands.add_parser("list", help="what --head accepts")
    mesh = commands.add_parser("export", help="write a head as glTF with ARKit's 52 shapes as morph targets")
    mesh.add_argument("file", metavar="FILE.glb")
    mesh.add_argument("--head", default=OPEN_HEAD_ID, metavar="ID", help="default: the open head")
    options = parser.parse_args(arguments)
    from driver import heads

    if options.command == "list":
        heads.print_heads()
    elif options.command == "export":
        from driver.gltf_head import write_head

        write_head(options.head, Path(options.file))
    else:
        heads.add_and_print(Path(options.file), options.name)
    return 0


def _replay(arguments: list[str]) -> int:
    parser = _Parser(prog="avatar-driver replay", description="Send a recording again, with its own timing.")
    parser.add_argument("file", metavar="FILE")
    parser.add_argument("--out", action="append", metavar="URL", help=f"default: {' '.join(DEFAULT_OUTPUTS)}")
    parser.add_argument("--speed", type=float, default=1.0, help="2 = twice as fast")
    parser.add_argument("--loop", action="store_true", help="start again at the end")
    _add_preview(parser, "and all channels")
    options = parser.parse_args(arguments)
    from driver.replay import replay

    urls = tuple(options.out or DEFAULT_OUTPUTS)
    sent = replay(Path(options.file), urls, options.speed, options.loop, _notice, options.preview)
    print(f"sent {sent} frames")
    return 0


def _receive(arguments: list[str]) -> int:
    parser = _Parser(prog="avatar-driver receive", description="Send on the face that a remote peer sends.")
    parser.add_argument("source", metavar="avatar://HOST:PORT", help="where to listen; 0.0.0.0 = on all networks")
    parser.add_argument("--out", action="append", metavar="URL", help=f"default: {' '.join(DEFAULT_OUTPUTS)}")
    parser.add_argument("--rate", type=float, default=60.0, metavar="HZ", help="frames a second (default: 60)")
    parser.add_argument("--duration", type=float, metavar="S", help="stop after S seconds")
    _add_preview(parser, "and all channels")
    options = parser.parse_args(arguments)
    from driver.receive import receive

    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    urls = tuple(options.out or DEFAULT_OUTPUTS)
    print(receive(options.source, urls, options.rate, _notice, options.duration, stop, options.preview))
    return 0


def _serve(arguments: list[str]) -> int:
    from driver.serve.command import add_options, serve

    parser = _Parser(
        prog="avatar-driver serve", description="Many voices in, over TCP and WebSocket; a face out for each."
    )
    add_options(parser)
    print(serve(parser.parse_args(arguments), _notice))
    return 0


def _export(arguments: list[str]) -> int:
    from driver.export import FORMATS, default_target, export

    parser = _Parser(prog="avatar-driver export", description="Turn a recording into a file for other programs.")
    parser.add_argument("file", metavar="FILE")
    purposes = "; ".join(f"{name} = {one.purpose}" for name, one in FORMATS.items())
    parser.add_argument("--to", choices=tuple(FORMATS), required=True, help=purposes)
    parser.add_argument("--output", metavar="FILE", help="default: beside the recording")
    options = parser.parse_args(arguments)

    source = Path(options.file)
    target = Path(options.output) if options.output else default_target(source, options.to)
    print(f"{export(source, target, options.to, _notice)} frames to {target}")
    return 0


def _keys(arguments: list[str]) -> int:
    parser = _Parser(prog="avatar-driver keys", description="Make a CURVE key pair for encrypted ZeroMQ.")
    parser.add_argument("file", metavar="FILE", help="the secret key goes here (0600), the public one to FILE.pub")
    options = parser.parse_args(arguments)
    from driver.sinks.curve import make_keys

    print(f"public key for the clients: {make_keys(Path(options.file))}")
    return 0


def _bench(arguments: list[str]) -> int:
    parser = _Parser(prog="avatar-driver bench", description="Replay a file through the live path and time each stage.")
    parser.add_argument("--video", metavar="FILE", help="default: the embedded sample")
    parser.add_argument("--duration", type=float, default=10.0, metavar="S")
    parser.add_argument("--voices", metavar="N", help="time N voices on one core instead; max = as many as it drives")
    parser.add_argument("--voice-model", default="", metavar="FILE", help="an .onnx file, or envelope")
    parser.add_argument(
        "--codec", nargs="+", metavar="FILE.adrec", help="measure the avatar codec on recordings instead"
    )
    parser.add_argument("--kbps", type=float, default=12.0, metavar="KBPS", help="its bit rate (12)")
    parser.add_argument("--hops", type=int, default=500, metavar="N", help="20 ms hops of each trial of voices")
    options = parser.parse_args(arguments)
    if options.codec is not None:
        from driver.bench_codec import bench_codec

        bench_codec([Path(name) for name in options.codec], options.kbps, _notice)
        return 0
    if options.voices is not None:
        from driver.bench_voices import bench_voices

        bench_voices(options.voices, options.voice_model, options.hops)
        return 0
    from driver.bench import bench

    bench(options.video, options.duration)
    return 0


def _notice(sentence: str) -> None:
    print(f"avatar-driver: {sentence}", file=sys.stderr)


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "doctor": _doctor,
    "calibrate": _calibrate,
    "profiles": _profiles,
    "head": _head,
    "replay": _replay,
    "receive": _receive,
    "serve": _serve,
    "export": _export,
    "keys": _keys,
    "bench": _bench,
}

if __name__ == "__main__":
    sys.exit(main())
