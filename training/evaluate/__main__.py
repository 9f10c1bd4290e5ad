"""python -m training.evaluate WHAT ...: what can be judged, by name."""

from __future__ import annotations

import sys

from training.evaluate import audio, curation, video

_WHAT = {"audio": audio.main, "curation": curation.main, "video": video.main}


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in _WHAT:
        sys.exit(f"{name!r} is nothing to evaluate; say one of: {', '.join(_WHAT)}")
    _WHAT[name](sys.argv[2:])


if __name__ == "__main__":
    main()
