"""Your own face from the page: a minute is filmed, `training.personalise` learns from it beside the run, and the face
wears what it learnt."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

import platformdirs

from driver.errors import AvatarDriverError
from driver.film import Film
from driver.personal_face import PersonalFace
from driver.preview.camera_view import WatchedTracker
from driver.profiles import check_name, load_profile
from driver.sound_level import SoundLevel

if TYPE_CHECKING:
    import viser

_DEFAULT_NAME = "default"
_SECONDS = 60.0
_ASKS = (
    "**Talk, smile, frown, raise your brows, press and open your lips, blink, look about.** It stays on this machine."
)
LEARN = (sys.executable, "-m", "training.personalise")


def films_folder() -> Path:
    """Where films are until they were learnt from, unless a caller says otherwise."""
    return platformdirs.user_data_path("avatar-driver") / "films"


class Filming:
    """A button in the page's present folder. A film is deleted once it was learnt from; one that taught nothing stays.

    camera, sound   are watched while it films; `face` wears the profile afterwards
    options         of the command that learns: what it must know of this run, its camera and its networks
    say             is told in sentences what came of it
    films, profiles folders; None: the user's own
    learn           the command that learns
    """

    def __init__(
        self,
        server: viser.ViserServer,
        camera: WatchedTracker,
        sound: SoundLevel | None,
        face: PersonalFace,
        options: Sequence[str],
        say: Callable[[str], None],
        *,
        films: Path | None = None,
        profiles: Path | None = None,
        learn: Sequence[str] = LEARN,
        seconds: float = _SECONDS,
    ) -> None:
        self._camera, self._sound, self._face, self._say = camera, sound, face, say
        self._films, self._profiles, self._seconds = films or films_folder(), profiles, seconds
        self._learn, self._options = learn, tuple(options)
        self._film: Film | None = None
        self._named = ""  # when the film was begun
        self._learning: _Learning | None = None
        self._one_at_a_time = threading.RLock()  # the page's threads and the run's
        with server.gui.add_folder("your own face"):
            self.name = server.gui.add_text("profile", _DEFAULT_NAME)
            self.start = server.gui.add_button(
                "film a minute and learn", hint="Again to stop. Nothing leaves this machine."
            )
            self.task = server.gui.add_markdown("")
            self.bar = server.gui.add_progress_bar(0.0, visible=False)
        self.start.on_click(lambda event: self._toggle())

    def show(self) -> None:
        """Bring the page up to date; begin to learn when all was filmed, and wear what was learnt."""
        with self._one_at_a_time:
            if self._film is not None:
                self.bar.value = 100.0 * self._film.share
                if self._film.is_done:
                    self._take()
            elif self._learning is not None and self._learning.is_over():
                learning, self._learning = self._learning, None
                self.task.content = ""
                self._wear(learning)

    def leave(self) -> None:
        """Nobody looks any more: an unfinished film is dropped."""
        with self._one_at_a_time:
            if self._film is not None:
                self._unwatch().forget()

    def close(self) -> None:
        """End what is going on: an unfinished film is dropped, one that is being learnt from stays."""
        with self._one_at_a_time:
            self.leave()
            if self._learning is not None:
                self._learning.stop()
                self._say(f"the run ended before it had learnt; the film is {self._learning.path}")
                self._learning = None

    def _toggle(self) -> None:
        with self._one_at_a_time:
            self._pressed()

    def _pressed(self) -> None:
        if self._film is not None:
            self._unwatch().forget()
            self._say("filming was stopped; nothing was kept")
        elif self._learning is not None:
            self._say("it is still learning from the film before; this takes a minute or two")
        elif self._sound is not None and self._sound.watch is not None:
            self._say("a calibration is going on; film when it has ended")
        else:
            self._begin()

    def _begin(self) -> None:
        name = self.name.value
        path = self._films / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.mkv"
        try:
            check_name(name)
            film = Film(path, self._seconds, with_sound=self._sound is not None)
        except AvatarDriverError as error:
            self._say(str(error))
            return
        self._film, self._named = film, name
        self._camera.watch = film.see
        if self._sound is not None:
            self._sound.watch = film.hear
        self.task.content, self.bar.visible = _ASKS, True

    def _unwatch(self) -> Film:
        film, self._film = self._film, None
        assert film is not None
        self._camera.watch = None
        if self._sound is not None:
            self._sound.watch = None
        self.task.content, self.bar.visible = "", False
        return film

    def _take(self) -> None:
        try:
            path = self._unwatch().end()
        except AvatarDriverError as error:
            self._say(str(error))
            return
        if find_spec("training") is None:
            command = shlex.join(["python", "-m", "training.personalise", str(path), "--name", self._named])
            self._say(
                f"filmed {path}; the package `training` is not installed here: where it is, run "
                f"{command} {shlex.join(self._options)}".rstrip()
            )
            return
        self.task.content = "**Learning from the film.** The run goes on meanwhile."
        self._learning = _Learning(path, self._named, self._learn, self._options, self._profiles)

    def _wear(self, learning: _Learning) -> None:
        trouble = learning.trouble()
        if trouble:
            self._say(f"{trouble}; the film is {learning.path}, delete it or film again")
            return
        try:
            self._face.wear(load_profile(learning.name, self._profiles))
            learning.path.unlink(missing_ok=True)
        except (AvatarDriverError, OSError) as error:
            self._say(f"{error}; the film is {learning.path}")
            return
        self._say(
            f"the face wears what was learnt of it, later runs with --profile {learning.name}; the film was deleted"
        )


class _Learning:
    """The command that learns, as a process of its own that gives way to the run."""

    def __init__(
        self, path: Path, name: str, learn: Sequence[str], options: Sequence[str], profiles: Path | None
    ) -> None:
        self.path, self.name = path, name
        where = [] if profiles is None else ["--profiles", str(profiles)]
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `trouble`
        self._process = subprocess.Popen(
            [*learn, str(path), "--name", name, "--gently", *options, *where],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
        self._said.close()

    def trouble(self) -> str:
        """The last line that it said, where it failed; nothing where it did not."""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").strip().splitlines()
        self._said.close()
        if self._process.returncode == 0:
            return ""
        return lines[-1] if lines else f"learning ended with the exit code {self._process.returncode}"
