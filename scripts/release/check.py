"""Build the last commit twice, and look at what a release needs from all sides.

    python scripts/release/check.py [--artefacts] [--out dist]

One line for each point, `ok` or what is wrong with the next step; the exit code is 1 when a point does not hold. The
points are in points.py; `--artefacts` leaves out those that only the commit of a release can keep. `--out` keeps wheel
and sdist when all is well. docs/development/releasing.md has the whole list of what to do.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from artefacts import build_from_clone, committed, files_of_sdist, files_of_wheel, version_of, wheel_of_sdist
from points import ARTEFACTS, READINESS, Point, Release


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        release = _built(Path(folder).resolve())
        points = ARTEFACTS if options.artefacts else (*ARTEFACTS, *READINESS)
        faulty = [point for point in points if not _told(point, release)]
        for path in (release.built.wheel, release.built.sdist):
            print(f"{path.stat().st_size:>9,} bytes  {path.name}")
            if options.out and not faulty:
                options.out.mkdir(exist_ok=True)
                shutil.copy(path, options.out)
    return 1 if faulty else 0


def _built(folder: Path) -> Release:
    built = build_from_clone(folder / "one")
    other = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    again = build_from_clone(folder / "two/deeper", built.source, umask=0o077, **other)
    return Release(
        version=version_of(built.source),
        committed=committed(built.source),
        built=built,
        wheel=files_of_wheel(built.wheel),
        sdist=files_of_sdist(built.sdist),
        again=again,
        repacked=wheel_of_sdist(built, folder / "three"),
    )


def _told(point: Point, release: Release) -> bool:
    faults = list(point(release))
    for fault in faults:
        print(f"fault  {fault}")
    if not faults:
        print(f"ok     {point.__doc__}")
    return not faults


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--artefacts", action="store_true", help="only the points that any commit can keep")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="where wheel and sdist go when all is well")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
