"""What a release must keep, point by point.

A point yields what is wrong, each with the next step; its docstring says what is so when nothing is. `ARTEFACTS` hold
for any commit, `READINESS` for the one that is released.
"""

import email
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from artefacts import Built, git, packaged
from packaging.metadata import Metadata
from packaging.version import Version

LARGEST_WHEEL: Final = 1_000_000  # bytes
LARGEST_SDIST: Final = 4_000_000

# Of the whole length that real ones have: the tests are full of short ones that open nothing.
_KEYS: Final = re.compile(
    rb"sk-ant-[a-z]+\d\d-[\w-]{80}|sk-or-v1-[0-9a-f]{64}|sk-proj-[\w-]{80}|gh[pousr]_\w{36}|github_pat_\w{50}"
    rb"|hf_[A-Za-z]{34}|pypi-[\w-]{100}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\\nr]+[\w+/=\s]{200}"
)
_HOMES: Final = re.compile(rb"/(?:home|Users)/\w+")


@dataclass(frozen=True)
class Release:
    """committed, wheel, sdist: what each of them holds, by path. again: of the same commit, built elsewhere.
    repacked: the wheel that comes of the sdist."""

    version: str
    committed: Mapping[str, bytes]
    built: Built
    wheel: Mapping[str, bytes]
    sdist: Mapping[str, bytes]
    again: Built
    repacked: Path

    @property
    def dist_info(self) -> str:
        return f"anyclaude-{self.version}.dist-info"


Point = Callable[[Release], Iterator[str]]


def version_is_one(release: Release) -> Iterator[str]:
    """the version is told by src/anyclaude/__init__.py alone"""
    project = tomllib.loads(release.committed["pyproject.toml"].decode())["project"]
    if "version" in project:
        yield "pyproject.toml has a version of its own: remove it, and name it under dynamic"
    if str(Version(release.version)) != release.version:
        yield f"{release.version} is not written as PEP 440 wants it: write {Version(release.version)}"
    for told in (release.wheel[f"{release.dist_info}/METADATA"], release.sdist["PKG-INFO"]):
        if (said := email.message_from_bytes(told)["Version"]) != release.version:
            yield f"the metadata says version {said}"


def holds_what_is_committed(release: Release) -> Iterator[str]:
    """the wheel holds the two packages, the sdist all that is committed, byte for byte, and nothing else"""
    metadata = {f"{release.dist_info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt")}
    in_wheel = packaged(release.committed) | metadata | {f"{release.dist_info}/licenses/LICENSE"}
    yield from _differing("wheel", release.wheel, in_wheel)
    yield from _differing("sdist", release.sdist, {*release.committed, "PKG-INFO"})
    for path, content in release.committed.items():
        if any(files.get(name, content) != content for files, name in _places(release, path)):
            yield f"{path} is shipped otherwise than it is committed"


def _places(release: Release, path: str) -> tuple[tuple[Mapping[str, bytes], str], ...]:
    return (release.sdist, path), (release.wheel, path.removeprefix("src/"))


def _differing(name: str, found: Mapping[str, bytes], expected: set[str]) -> Iterator[str]:
    yield from (f"the {name} lacks {path}: see tool.hatch in pyproject.toml" for path in sorted(expected - set(found)))
    yield from (f"the {name} holds {path}, which belongs elsewhere" for path in sorted(set(found) - expected))


def same_each_time(release: Release) -> Iterator[str]:
    """built again elsewhere, under another umask, time zone and language, or from the sdist, not a byte is another"""
    for one, other in ((release.built.wheel, release.again.wheel), (release.built.sdist, release.again.sdist)):
        if one.read_bytes() != other.read_bytes():
            yield f"{one.name} is another one each time: compare two builds with diffoscope"
    if release.repacked.read_bytes() != release.built.wheel.read_bytes():
        yield "the wheel that comes of the sdist is another one: compare the two with diffoscope"


def small(release: Release) -> Iterator[str]:
    """wheel and sdist are small"""
    for path, most in ((release.built.wheel, LARGEST_WHEEL), (release.built.sdist, LARGEST_SDIST)):
        if path.stat().st_size > most:
            yield f"{path.name} takes {path.stat().st_size:,} bytes, more than {most:,}: what has come into it?"


def metadata_is_valid(release: Release) -> Iterator[str]:
    """the metadata is valid, the description is the README, the licence is inside"""
    try:
        told = Metadata.from_email(release.wheel[f"{release.dist_info}/METADATA"], validate=True)
    except ExceptionGroup as group:
        yield from (f"the metadata is not valid: {error}" for error in group.exceptions)
        return
    if (told.description_content_type, told.description) != ("text/markdown", release.committed["README.md"].decode()):
        yield "the description is not README.md as Markdown: see readme in pyproject.toml"
    if told.license_expression != "MIT" or told.license_files != ["LICENSE"]:
        yield "the licence is not the MIT licence of the LICENSE file: see license in pyproject.toml"


def nothing_private(release: Release) -> Iterator[str]:
    """no key and no path of a machine is inside"""
    own = [f"{folder}/".encode() for folder in (Path.home(), release.built.source)]
    for name, files in (("wheel", release.wheel), ("sdist", release.sdist)):
        for path, content in files.items():
            if _KEYS.search(content):
                yield f"{path} in the {name} holds what looks like a key: remove it, and have it revoked"
            if any(one in content for one in own) or (name == "wheel" and _HOMES.search(content)):
                yield f"{path} in the {name} holds a path of a machine: remove it"


def changelog_tells_of_it(release: Release) -> Iterator[str]:
    """CHANGELOG.md has a section for the version, with its date, and nothing unreleased above it"""
    _, *sections = re.split(r"^## ", release.committed["CHANGELOG.md"].decode(), flags=re.MULTILINE)
    unreleased = sections.pop(0) if sections and sections[0].startswith("[Unreleased]") else ""
    if unreleased.partition("\n")[2].strip():
        yield f"CHANGELOG.md has lines under Unreleased: they belong under [{release.version}]"
    today = datetime.now(UTC).date()
    dated = re.match(rf"\[{re.escape(release.version)}\] - (\d{{4}}-\d\d-\d\d)\n", sections[0] if sections else "")
    if dated is None:
        yield f"CHANGELOG.md has no section for the version at its head: write ## [{release.version}] - {today}"
    elif date.fromisoformat(dated[1]) > today:
        yield f"CHANGELOG.md dates {release.version} {dated[1]}, which is still to come: write the day of the release"


def licences_are_told(release: Release) -> Iterator[str]:
    """docs/reference/licences.md names each package that an installation brings"""
    pinned = set(re.findall(r"^([\w.-]+)==", release.committed["requirements/run.txt"].decode(), re.MULTILINE))
    told = set(re.findall(r"^\| ([\w.-]+) \|", release.committed["docs/reference/licences.md"].decode(), re.MULTILINE))
    if pinned ^ (told - {"package"}):
        yield "docs/reference/licences.md is not of this lock: run scripts/release/licences.py, and look at what is new"


def nothing_is_left_uncommitted(release: Release) -> Iterator[str]:
    """the working tree is clean"""
    if changed := git("status", "--porcelain").splitlines():
        yield f"{len(changed)} files are not committed, {changed[0][3:]} among them: commit or remove them"


def tag_is_free(release: Release) -> Iterator[str]:
    """the tag of the version is not there yet, or at this commit"""
    tag = f"v{release.version}"
    if git("tag", "--list", tag) and git("rev-parse", f"{tag}^{{commit}}") != git("rev-parse", "HEAD"):
        yield f"{tag} is the tag of another commit: raise __version__, for what was released is not changed"


ARTEFACTS: Final[tuple[Point, ...]] = (
    version_is_one,
    holds_what_is_committed,
    same_each_time,
    small,
    metadata_is_valid,
    nothing_private,
)
READINESS: Final[tuple[Point, ...]] = (
    changelog_tells_of_it,
    licences_are_told,
    nothing_is_left_uncommitted,
    tag_is_free,
)
