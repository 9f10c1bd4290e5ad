"""python -m training.curation PLACE... --out DIR [curation.KEY=VALUE ...] [--engine process|ray] [--workers N]

From raw videos to clips of one talking or laughing face with its motion. PLACE is a folder of videos, a list of them
(.txt, a path a line) or a file. Whatever stops it, the same command goes on from what is finished.

    python -m training.curation videos --out runs/curated                              # one process
    python -m training.curation videos --out runs/curated --engine ray --workers 16    # this machine's cores and GPUs
    python -m training.curation videos --out /shared/curated --ray-address auto       # the cluster that this is part of
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from driver.errors import AvatarDriverError
from training.curation.curate import Curated, Engine, curate
from training.curation.process_engine import ProcessEngine
from training.curation.ray_engine import RayEngine
from training.curation.settings import RECIPE, read_settings
from training.curation.work import Job
from training.recipe import RecipeError

_ENGINES = ("process", "ray")


def main(arguments: list[str] | None = None) -> int:
    """Curate. Returns the exit code: 2 for what cannot be asked, 1 for what went wrong, 130 for Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m training.curation", description=(__doc__ or "").split("\n")[2])
    parser.add_argument("places", nargs="+", help="folders, lists (.txt), videos; and settings as curation.KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True, help="folder of the outcome; a cluster needs a shared one")
    parser.add_argument("--recipe", default=RECIPE, help="a name of training/recipes, or the path of a .toml file")
    parser.add_argument("--engine", choices=_ENGINES, default="", help="who does the work; default process")
    parser.add_argument("--workers", type=int, default=1, help="processes, or processors that Ray may take; default 1")
    parser.add_argument("--ray-address", default="", help="of a Ray cluster, or auto; it decides itself about workers")
    parser.add_argument("--shard-mb", type=float, default=256.0, help="size of a shard; default 256")
    parser.add_argument("--limit-minutes", type=float, default=30.0, help="a stage that takes longer for a piece hangs")
    parser.add_argument("--retry-crashed", action="store_true", help="try those again whose process died each time")
    chosen = parser.parse_intermixed_args(arguments)
    engine: Engine | None = None
    try:
        overrides = [place for place in chosen.places if place.startswith("curation.") and "=" in place]
        places = [Path(place) for place in chosen.places if place not in overrides]
        if chosen.workers < 1 or chosen.shard_mb <= 0 or chosen.limit_minutes <= 0:
            raise RecipeError("--workers must be at least 1, --shard-mb and --limit-minutes more than 0")
        if chosen.ray_address and chosen.engine == "process":
            raise RecipeError("--ray-address names a Ray cluster and --engine is process; take --engine ray")
        settings = read_settings(chosen.recipe, overrides)
        is_ray = chosen.engine == "ray" or bool(chosen.ray_address)
        engine = RayEngine(chosen.workers, chosen.ray_address) if is_ray else ProcessEngine(chosen.workers)
        from training.curation.stages import STAGES  # late: all that the stages learn with and see with

        job = Job(chosen.out.resolve(), settings, STAGES, 60.0 * chosen.limit_minutes)
        print(_told(curate(places, job, engine, chosen.shard_mb, chosen.retry_crashed), chosen.out))
    except RecipeError as error:
        print(f"training.curation: {error}", file=sys.stderr)
        return 2
    except AvatarDriverError as error:
        print(f"training.curation: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("training.curation: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    finally:
        if isinstance(engine, RayEngine):
            engine.close()
    return 0


def _told(curated: Curated, out: Path) -> str:
    hours, spent_h = curated.video_s / 3600.0, sum(curated.processor_s.values()) / 3600.0
    lines = [
        f"{curated.sources} files, {curated.done_now} of them now: {curated.kept} clips kept, "
        f"{curated.rejected} pieces turned down, see {out / 'manifest.jsonl'}",
    ]
    if hours:
        by_cost = sorted(curated.processor_s.items(), key=lambda pair: -pair[1])
        shares = ", ".join(f"{name} {seconds / 3600.0 / hours:.3f}" for name, seconds in by_cost)
        lines.append(f"{hours:.2f} h of video took {spent_h / hours:.3f} core-hours an hour: {shares}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
