"""What would be released now: wheel and sdist of the last commit keep their points, and the wheel, installed, works."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from scripts.release.artefacts import files_of_wheel

from anyclaude import __version__
from tests.support.children import REPOSITORY
from tests.support.installed import LACKING, Installed, behind_extras

WORKER: Final = ("fastapi", "huggingface_hub", "llguidance", "mlx", "mlx_lm", "numpy", "psutil", "starlette", "uvicorn")
EXTRAS: Final = ("jinja2", *WORKER)
"""Packages that come with an extra alone."""

pytestmark = pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="a release is made of commits")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, str(REPOSITORY / "scripts/release/check.py"), "--artefacts", "--out", str(out)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "fault" not in checked.stdout
    [built] = out.glob("*.whl")
    assert [path.name for path in out.glob("*.tar.gz")] == [f"anyclaude-{__version__}.tar.gz"]
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """In an environment that has the packages of the one that tests, but not its anyclaude."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True, timeout=60)
    [packages] = (folder / "venv/lib").glob("python3*/site-packages")
    (packages / "tests.pth").write_text(f"{Path(pytest.__file__).resolve().parents[1]}\n")
    pip = [str(folder / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--ignore-installed"]
    subprocess.run([*pip, "--no-index", "--no-deps", "--no-compile", str(wheel)], check=True, timeout=100)
    (folder / "home").mkdir()
    return Installed(folder / "venv/bin", folder / "home")


def test_what_is_installed_is_what_is_in_the_wheel(wheel: Path, installed: Installed) -> None:
    """And that is the source tree, as was checked."""
    [packages] = installed.folder.parent.glob("lib/python3*/site-packages")
    inside = {path: content for path, content in files_of_wheel(wheel).items() if ".dist-info/" not in path}
    assert inside == {path: (packages / path).read_bytes() for path in inside}
    assert {"anyclaude/py.typed", "anyclaude/config/schema.json", "mlx_worker/py.typed"} <= set(inside)


def test_its_commands_run(installed: Installed) -> None:
    assert installed.run("anyclaude", "--version").stdout == f"anyclaude {__version__}\n"
    assert (installed.folder / "mlx_worker").stat().st_mode & 0o100


def test_only_what_is_behind_an_extra_needs_its_packages(installed: Installed) -> None:
    failing = installed.failing_modules(without=EXTRAS)
    assert {"mlx_worker.app", "anyclaude.viewer.looks"} <= set(failing)
    assert failing == behind_extras(failing)


async def test_it_answers(installed: Installed) -> None:
    assert await installed.answers() == "Installed and well."


def test_the_worker_says_what_it_lacks() -> None:
    lacking = (
        "import sys; sys.modules['mlx_lm'] = None; import runpy; runpy.run_module('mlx_worker', run_name='__main__')"
    )
    ended = subprocess.run([sys.executable, "-c", lacking], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert LACKING["mlx_worker", "--help"] in ended.stderr


HEAD: Final = "# Changelog\n\n## [Unreleased]\n"


@pytest.mark.parametrize(
    ("changelog", "fault"),
    [
        (f"{HEAD}\n## [1.2.0] - 2026-01-02\n\n- It works.\n", None),
        (f"{HEAD}\n- It works.\n\n## [1.2.0] - 2026-01-02\n", "lines under Unreleased"),
        (f"{HEAD}\n## [1.1.0] - 2026-01-02\n\n## [1.2.0] - 2026-01-02\n", "no section for the version at its head"),
        (f"{HEAD}\n## [1.2.0]\n", "no section for the version at its head"),
        (f"{HEAD}\n## [1.2.0] - 9999-01-02\n", "which is still to come"),
        ("# Changelog\n", "no section for the version at its head"),
    ],
)
def test_a_release_has_a_dated_section(changelog: str, fault: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(REPOSITORY / "scripts/release")
    points = importlib.import_module("points")
    built = importlib.import_module("artefacts").Built(Path(), Path(), Path())
    release = points.Release("1.2.0", {"CHANGELOG.md": changelog.encode()}, built, {}, {}, built, Path())
    faults = list(points.changelog_tells_of_it(release))
    assert [fault in said for said in faults] == ([True] if fault else [])
