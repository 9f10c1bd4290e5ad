"""Write the golden files anew: `python -m protocol.golden`."""

from __future__ import annotations

from protocol.golden.packets import FOLDER, files


def main() -> None:
    """Replace all golden files by what the codecs make of the golden frames today."""
    wanted = files()
    for path in (*FOLDER.glob("*.bin"), *FOLDER.glob("*.json")):
        if path.name not in wanted:
            path.unlink()
    for name, data in wanted.items():
        (FOLDER / name).write_bytes(data)
    print(f"{len(wanted)} golden files are up to date")


if __name__ == "__main__":
    main()
