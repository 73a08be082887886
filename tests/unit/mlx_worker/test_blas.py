"""Which BLAS computes is read from what the program has mapped; which one to preload, from what is installed."""

import importlib.metadata
import sys
import sysconfig
from pathlib import Path

import pytest

from mlx_worker import blas

REFERENCE = "/v/site-packages/mlx_cpu.libs/libblas-bd8a282c.so.3.10.0"
OPENBLAS = "/usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblasp-r0.3.21.so"
DEBIAN = "usr/lib/x86_64-linux-gnu/openblas-pthread/libopenblas.so.0"


@pytest.fixture
def linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux machine without mkl, of the architecture that most have."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: "x86_64-linux-gnu")
    monkeypatch.setattr(importlib.metadata, "files", absent)


def absent(name: str) -> None:
    raise importlib.metadata.PackageNotFoundError(name)


def installed(root: Path, *places: str) -> Path:
    for place in places:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).touch()
    return root


@pytest.mark.parametrize(
    ("paths", "name"),
    [
        ([], None),
        ([REFERENCE, "/usr/lib/x86_64-linux-gnu/libc.so.6"], None),
        ([REFERENCE, OPENBLAS], "OpenBLAS"),
        (["/usr/lib/x86_64-linux-gnu/openblas-pthread/libblas.so.3"], "OpenBLAS"),
        (["/usr/lib64/libopenblasp.so.0"], "OpenBLAS"),
        (["/v/site-packages/mlx_cpu.libs/libopenblasp-r0-1a2b.3.30.so"], "OpenBLAS"),
        (["/v/site-packages/numpy.libs/libscipy_openblas64_-8fb3d286.so"], None),
        (["/v/site-packages/scipy.libs/libopenblasp-r0-1a2b.3.21.so"], None),
        (["/usr/lib/x86_64-linux-gnu/libopenblas64.so.0"], None),
        ([REFERENCE, "/v/lib/libmkl_rt.so.3", "/v/lib/libmkl_core.so.3"], "MKL"),
        (["/usr/lib/x86_64-linux-gnu/libblas.so.3"], None),
    ],
)
def test_the_fast_library_among_files(paths: list[str], name: str | None) -> None:
    assert blas.loaded(paths) == name


def test_mapped_files_are_the_sixth_column() -> None:
    lines = [
        "7f0000000000-7f0000001000 r--p 00000000 fe:00 123                        /a b/libopenblas.so.0",
        "7f0000001000-7f0000002000 r-xp 00001000 fe:00 123                        /a b/libopenblas.so.0",
        "7f0000003000-7f0000004000 rw-p 00000000 00:00 0 ",
        "7fff81159000-7fff8117a000 rw-p 00000000 00:00 0                          [stack]",
    ]
    assert blas.mapped_files(lines) == ["/a b/libopenblas.so.0"]


@pytest.mark.usefixtures("linux")
class TestFinding:
    def test_debians_is_found(self, tmp_path: Path) -> None:
        assert blas.find_library(installed(tmp_path, DEBIAN)) == tmp_path / DEBIAN

    def test_threads_go_before_one_thread(self, tmp_path: Path) -> None:
        serial = DEBIAN.replace("pthread", "serial")
        assert blas.find_library(installed(tmp_path, serial, DEBIAN)) == tmp_path / DEBIAN

    def test_another_architecture_is_left_alone(self, tmp_path: Path) -> None:
        assert blas.find_library(installed(tmp_path, DEBIAN.replace("x86_64", "aarch64"))) is None

    def test_any_architecture_will_do_when_python_does_not_say(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sysconfig, "get_config_var", lambda name: None)
        arm = DEBIAN.replace("x86_64", "aarch64")
        assert blas.find_library(installed(tmp_path, arm)) == tmp_path / arm

    def test_a_path_that_cannot_be_preloaded_is_passed_over(self, tmp_path: Path) -> None:
        assert blas.find_library(installed(tmp_path / "my files", DEBIAN)) is None

    def test_the_mkl_wheel_is_the_second_choice(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        record = importlib.metadata.PackagePath("../../libmkl_rt.so.3")
        site = installed(tmp_path, "lib/libmkl_rt.so.3", "lib/python3/site/x") / "lib/python3/site"
        record.dist = importlib.metadata.PathDistribution(site / "mkl.dist-info")
        monkeypatch.setattr(importlib.metadata, "files", lambda name: [record])
        assert blas.find_library(tmp_path / "none") == tmp_path / "lib/libmkl_rt.so.3"
        assert blas.find_library(installed(tmp_path, DEBIAN)) == tmp_path / DEBIAN


@pytest.mark.usefixtures("linux")
class TestPreloading:
    @pytest.fixture(autouse=True)
    def found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blas, "find_library", lambda: Path("/fast.so"))

    def test_the_library_is_preloaded(self) -> None:
        assert blas.preload_environment({}) == {"LD_PRELOAD": "/fast.so"}

    def test_what_is_there_stays_in_front(self) -> None:
        assert blas.preload_environment({"LD_PRELOAD": "/a.so /b.so"}) == {"LD_PRELOAD": "/a.so /b.so:/fast.so"}

    @pytest.mark.parametrize("there", ["/usr/lib64/libopenblas.so.0", "libmkl_rt.so.3", "/a.so:libopenblas.so.0"])
    def test_a_fast_one_that_is_there_is_kept(self, there: str) -> None:
        assert blas.preload_environment({"LD_PRELOAD": there}) == {}

    def test_a_mac_needs_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert blas.preload_environment({}) == {}

    def test_nothing_installed_nothing_preloaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(blas, "find_library", lambda: None)
        assert blas.preload_environment({}) == {}


@pytest.mark.usefixtures("linux")
class TestReport:
    def report(self, monkeypatch: pytest.MonkeyPatch, mapped: list[str], found: Path | None) -> blas.Blas:
        monkeypatch.setattr(blas, "_mapped_files", lambda: mapped)
        monkeypatch.setattr(blas, "find_library", lambda: found)
        return blas.report()

    def test_a_fast_one_needs_no_advice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.report(monkeypatch, [OPENBLAS], None) == blas.Blas("OpenBLAS", fast=True)

    def test_an_installed_one_that_is_not_used_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = self.report(monkeypatch, [REFERENCE], Path("/fast.so"))
        assert (said.name, said.fast) == ("reference BLAS", False)
        assert "python -m mlx_worker, which preloads /fast.so" in said.advice

    def test_none_installed_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        said = self.report(monkeypatch, [REFERENCE], None)
        assert "libopenblas0-pthread" in said.advice
        assert "\n" not in said.advice

    def test_accelerate_is_fast(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        assert blas.report() == blas.Blas("Accelerate", fast=True)
