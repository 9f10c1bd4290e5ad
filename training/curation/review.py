"""A page to look the clips over:  python -m training.curation.review DIR [--port 8765]

Serves on this machine alone: each clip that the stages kept as a movie with sound, its figures, and buttons and keys to
accept (a) or reject it (r). What is decided is kept in DIR/review.jsonl at once, and who uses the clips heeds it
(`training.curation.selection`). Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
from collections import Counter
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from driver.errors import AvatarDriverError, MediaError, RunError
from training.curation.item import Item
from training.curation.movie import write_movie
from training.curation.selection import SHARDS, decide, decisions
from training.curation.shards import read_items

MANIFEST = "manifest.jsonl"
MOVIES = "movies"
PORT = 8765
_HOST = "127.0.0.1"
_PAGE = Path(__file__).with_name("review.html")
_MOVIE = re.compile(r"/movie/([0-9a-f]+-\d+-\d+)\.mp4")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_MOST_BYTES = 4096  # of a decision


class ReviewServer(ThreadingHTTPServer):
    """The page of one folder on 127.0.0.1. Port 0 takes any that is free; RunError when the port is taken."""

    daemon_threads = True
    allow_reuse_address = False

    def __init__(self, folder: Path, port: int = PORT) -> None:
        self.folder = folder
        self.clips: dict[str, Item] = {item.key: item for item in read_items(folder / SHARDS)}
        self.turned_down = _turned_down(folder)
        self.lock = threading.Lock()
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise RunError(
                f"port {port} of {_HOST} cannot be opened ({error.strerror}); give another with --port, 0 for any"
            ) from error

    @property
    def address(self) -> str:
        return f"http://{_HOST}:{self.server_address[1]}/"

    def table(self) -> dict[str, Any]:
        """What the page shows: the clips with figures and decisions, and how many pieces were turned down for what."""
        decided = decisions(self.folder)
        clips = [item.to_line() | {"decision": decided.get(key, "")} for key, item in sorted(self.clips.items())]
        return {"clips": clips, "turned_down": self.turned_down}

    def movie(self, key: str) -> bytes:
        """The MP4 of a clip, made when it is first asked for. MediaError where its source is gone."""
        path = self.folder / MOVIES / f"{key}.mp4"
        with self.lock:  # one at a time: the page asks again while the first is being made
            if not path.is_file():
                write_movie(self.clips[key], path)
        return path.read_bytes()


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        if not self._is_ours():
            return
        movie = _MOVIE.fullmatch(self.path)
        if self.path == "/":
            self._answer(_PAGE.read_bytes(), "text/html; charset=utf-8")
        elif self.path == "/clips.json":
            self._answer(json.dumps(self.server.table()).encode(), "application/json")
        elif movie and movie[1] in self.server.clips:
            try:
                self._answer(self.server.movie(movie[1]), "video/mp4")
            except (MediaError, OSError) as error:
                self._refuse(HTTPStatus.NOT_FOUND, str(error))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, f"there is no {self.path}")

    def do_POST(self) -> None:
        if not self._is_ours():
            return
        # A page of another site cannot send JSON here without asking first, which nobody answers.
        if self.path != "/decide" or self.headers.get_content_type() != "application/json":
            self._refuse(HTTPStatus.NOT_FOUND, "decisions are sent to /decide as JSON")
            return
        try:
            size = int(self.headers.get("Content-Length", ""))
            said = json.loads(self.rfile.read(min(size, _MOST_BYTES)))
            key, decision = said["key"], said["decision"]
            if key not in self.server.clips:
                raise ValueError(f"there is no clip {key!r}")
            with self.server.lock:
                decide(self.server.folder, key, decision)
        except (ValueError, KeyError, TypeError) as error:
            self._refuse(HTTPStatus.BAD_REQUEST, f"that is no decision: {error}")
        except OSError as error:
            self._refuse(HTTPStatus.INSUFFICIENT_STORAGE, f"the decision cannot be kept: {error.strerror}; make room")
        else:
            self._answer(b"{}", "application/json")

    def _is_ours(self) -> bool:
        """Whether this machine's own page asks: a name that merely points here is somebody else's."""
        host = self.headers.get("Host", "").rpartition(":")[0]
        if host in (_HOST, "localhost"):
            return True
        self._refuse(HTTPStatus.FORBIDDEN, f"this page is for {self.server.address} only")
        return False

    def _answer(self, body: bytes, kind: str) -> None:
        asked = _RANGE.fullmatch(self.headers.get("Range", ""))
        first = int(asked[1]) if asked else 0
        if asked and first < len(body):
            last = min(int(asked[2] or len(body) - 1), len(body) - 1)
            self.send_response(HTTPStatus.PARTIAL_CONTENT)
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(body)}")
            body = body[first : last + 1]
        else:
            self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.send_response(status)
        body = sentence.encode()
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads a line for each request."""


def _turned_down(folder: Path) -> dict[str, int]:
    """Stage -> pieces that it turned down, of the manifest."""
    path = folder / MANIFEST
    if not path.is_file():
        raise RunError(f"{folder} has no {MANIFEST}; give the --out of a finished python -m training.curation")
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return dict(Counter(line["rejected_by"] for line in lines if line.get("rejected_by")).most_common())


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C. Returns 1 when the folder or the port cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m training.curation.review", description="Look the clips over.")
    parser.add_argument("folder", type=Path, help="--out of a finished curation")
    parser.add_argument("--port", type=int, default=PORT, help="on 127.0.0.1; 0 for any (default: %(default)s)")
    chosen = parser.parse_args(arguments)
    try:
        with ReviewServer(chosen.folder, chosen.port) as server:
            print(f"{len(server.clips)} clips at {server.address}; Ctrl-C ends", flush=True)
            server.serve_forever()
    except KeyboardInterrupt:
        print()
    except AvatarDriverError as error:
        print(f"training.curation.review: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
