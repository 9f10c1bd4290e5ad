"""What the pages name is there (files, chapters, commands, options, tests), and figures that they quote are right."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from driver import cli

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("docs", "protocol", "driver", "models", "training", "examples", "unity_example")
PAGES = sorted([*ROOT.glob("*.md"), *(page for name in FOLDERS for page in (ROOT / name).rglob("*.md"))])

_LINK = re.compile(r"\[[^\]]*\]\((?![a-z]+:)([^)\s]+)\)")
_PLACE = re.compile(r"`((?:driver|models|protocol|training|tests|scripts|docs|examples|unity_example)/[\w./-]+)`")
_FENCED = re.compile(r"^```.*?^```", re.M | re.S)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
# A command ends with its line, its quotation or its comment.
_OURS = re.compile(r"python -m ((?:training|driver|models|protocol)(?:\.\w+)*)([^`#\n]*)")
_DRIVER = re.compile(r"(?<![/\w-])avatar-driver(?![\w./\[\"'-])([^`#\n|(]*)")


@cache
def text_of(page: Path) -> str:
    """The page, each command on a line of its own."""
    return re.sub(r"\\\n\s*", " ", page.read_text(encoding="utf-8"))


@cache
def chapters(page: Path) -> set[str]:
    """The names by which a page's headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.M)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower() for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in plain}


def file_of(module: str) -> Path | None:
    """What `python -m module` runs."""
    place = ROOT.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__main__.py") if path.is_file()), None)


def options_in(file: Path) -> set[str]:
    """Options that the source of a command names, or that of a module of ours from which it imports."""
    source = file.read_text(encoding="utf-8")
    imported = (file_of(name) for name in re.findall(r"^from (training[\w.]+) import", source, re.M))
    sources = [source, *(path.read_text(encoding="utf-8") for path in imported if path is not None)]
    return {option for one in sources for option in re.findall(r"\"(--[a-z][a-z-]*)\"", one)}


@cache
def driver_options(command: str) -> set[str]:
    """Options of `avatar-driver COMMAND`; "" is the run itself."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        cli.main([*([command] if command else []), "--help"])
    return set(_OPTION.findall(said.getvalue()))


def found(pattern: str | re.Pattern[str]) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """Every match on every page: the page, and the groups."""
    for page in PAGES:
        for match in re.finditer(pattern, text_of(page)):
            yield page, match.groups()


def at(page: Path, what: str) -> str:
    return f"{page.relative_to(ROOT)}: {what.strip()}"


def test_what_is_linked_to_is_there() -> None:
    missing: list[str] = []
    for page, (target,) in found(_LINK):
        path, _, chapter = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (chapter and file.suffix == ".md" and chapter not in chapters(file)):
            missing.append(at(page, target))
    assert not missing


def test_modules_can_be_run_and_know_the_options_that_they_are_given() -> None:
    wrong: list[str] = []
    for page, (module, rest) in found(_OURS):
        is_one_of_many = module == "training.evaluate" and rest.split()
        file = file_of(f"{module}.{rest.split()[0].strip('.,')}" if is_one_of_many else module)
        if file is None or not (is_one_of_many or '"__main__"' in file.read_text("utf-8")):
            wrong.append(at(page, f"{module} cannot be run"))
        elif unknown := set(_OPTION.findall(rest)) - options_in(file):
            wrong.append(at(page, f"{module} {rest} has no {unknown}"))
    assert not wrong


def test_the_driver_knows_the_options_that_it_is_given() -> None:
    wrong: list[str] = []
    for page, (rest,) in found(_DRIVER):
        first = rest.split()[0] if rest.split() else ""
        unknown = set(_OPTION.findall(rest)) - driver_options(first if first in cli._COMMANDS else "")
        if unknown:
            wrong.append(at(page, f"{rest} has no {unknown}"))
    assert not wrong


def test_tests_and_places_of_the_repository_that_are_named_exist() -> None:
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if "node_modules" not in path.parts]
    known = {name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))}
    known |= {file.stem for file in files}
    missing = [at(page, name) for page, (name,) in found(r"\b(test_\w+)") if name not in known]
    missing += [at(page, place) for page, (place,) in found(_PLACE) if not (ROOT / place).exists()]
    assert not missing


def figures(page: Path) -> dict[str, dict[str, float]]:
    """The table of an evaluation: measure -> column -> value, for the columns that have one."""
    text = page.read_text(encoding="utf-8")
    head, _, *rows = text[text.index("| measure |") :].split("\n\n")[0].splitlines()
    table = {name: cells for name, *cells in map(_cells, rows)}
    return {
        measure: {name: float(cell) for name, cell in zip(_cells(head)[1:], cells, strict=True) if cell != "n/a"}
        for measure, cells in table.items()
    }


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_figures_that_are_quoted_are_those_of_the_tables() -> None:
    voice, face = (figures(ROOT / "docs" / name / "evaluation.md") for name in ("audio", "video"))
    readme, card = (
        " ".join((ROOT / name).read_text(encoding="utf-8").split())
        for name in ("README.md", "models/weights/MODEL_CARD.md")
    )

    def told(measure: str, *columns: str, digits: int = 2) -> list[str]:
        table = voice if measure in voice else face
        return [f"{table[measure][column]:.{digits}f}" for column in columns]

    ours, loudness, other = told("aperture r, all", "voice 80 ms", "envelope", "headaudio")
    assert f"median r {ours} against {loudness}) and than npm's headaudio ({other})" in readme
    assert f"median r of {ours} at 80 ms of look-ahead (loudness alone: {loudness})" in card
    made, real = (told(f"closure recall, {one}", "voice 80 ms")[0] for one in ("synthetic", "recordings"))
    assert f"Lips close on {made} of the p, b, m of held-out synthetic voices and {real} of real ones" in card
    made, real = (told(f"closure precision, {one}", "voice 80 ms")[0] for one in ("synthetic", "recordings"))
    assert f"of the closures that it shows {made} and {real} are asked for" in card

    def both(measure: str, digits: int) -> str:
        return " and ".join(told(measure, "native 0", "MediaPipe + solver", digits=digits))

    assert f"less exact than MediaPipe's ({both('NME, marked photographs, %', 1)} %)" in readme
    assert f"at the mouth ({both('mouth error, synthetic, mm', 1)} mm)" in card
    assert f"the lids ({both('lid error, synthetic', 2)})" in card
    assert f"the irises ({both('gaze, synthetic, deg', 1)} degrees)" in card
    assert f"in winks ({both('winks told, synthetic, %', 0)} % told)" in card
