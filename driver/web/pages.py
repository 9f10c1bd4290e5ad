"""The files that a browser asks for: the page, the client, the open head, and three.js where it is kept locally."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".glb": "model/gltf-binary",
}
# An address in the page's import map: the network's npm/PACKAGE@VERSION/, of which PACKAGE is also the local folder.
_NETWORK_MODULE = re.compile(r"https://cdn\.jsdelivr\.net/npm/((?:@[\w-]+/)?[\w.-]+)@[\w.-]+/")
_MODULES = "/modules/"


@dataclass(frozen=True)
class Page:
    """What a browser gets: `body` of the media type `content_type`."""

    content_type: str
    body: bytes


class Pages:
    """`modules` is a folder node_modules with three and @pixiv/three-vrm; None lets the page load them from a CDN."""

    def __init__(self, modules: Path | None = None) -> None:
        self._modules = modules

    def get(self, path: str) -> Page | None:
        """The page at `path` ("/", "/client/index.js"; what follows a question mark is ignored); None for others."""
        path = path.partition("?")[0]
        if path in ("/", "/index.html"):
            return Page(_TYPES[".html"], self._index().encode())
        if path == "/head.glb":
            return Page(_TYPES[".glb"], _open_head_glb())
        if path.startswith(_MODULES):
            return None if self._modules is None else _file(self._modules, path.removeprefix(_MODULES))
        return _file(_FOLDER, path.removeprefix("/"))

    def _index(self) -> str:
        text = (_FOLDER / "index.html").read_text("utf-8")
        return text if self._modules is None else _NETWORK_MODULE.sub(rf"{_MODULES}\1/", text)


@cache
def _open_head_glb() -> bytes:
    from driver.gltf_head import head_glb  # late: most runs show no page
    from models.head.flame import open_head

    return head_glb(open_head())


def _file(folder: Path, name: str) -> Page | None:
    """The file called `name` within `folder`, if it is of a type that pages are made of."""
    file = (folder / name).resolve()
    content_type = _TYPES.get(file.suffix)
    if content_type is None or not file.is_relative_to(folder.resolve()) or not file.is_file():
        return None
    return Page(content_type, file.read_bytes())
