"""Which matrix library MLX's CPU backend computes with, and how it gets a fast one.

On Linux the wheel of MLX brings the reference BLAS, 35 times slower than a tuned one: 5 against 182 GFLOPS with
OpenBLAS and 168 with MKL (mlx 0.32.4, a float32 product of 1,024 x 1,024, two cores). The loader decides once, at the
start of a program, so the cure is LD_PRELOAD, and a running program can only notice. On a Mac, Accelerate is fast.
"""

import importlib.metadata
import os
import re
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

# Where distributions put OpenBLAS, threads first. The builds with 64-bit integers, which MLX cannot call, are not here.
OPENBLAS_PATTERNS = (
    "usr/lib/{triple}/openblas-pthread/libopenblas.so.0",  # Debian and Ubuntu: libopenblas0-pthread
    "usr/lib/{triple}/openblas-openmp/libopenblas.so.0",
    "usr/lib/{triple}/openblas-serial/libopenblas.so.0",
    "usr/lib64/libopenblasp.so.0",  # Fedora: openblas-threads
    "usr/lib64/libopenblaso.so.0",
    "usr/lib64/libopenblas.so.0",
    "usr/lib/libopenblas.so.0",  # Arch: openblas
    "usr/lib/libopenblas.so",
)
REFERENCE = "reference BLAS"
ADVICE_MISSING = (
    "MLX computes with a slow BLAS: install a fast one (apt-get install libopenblas0-pthread, or pip install mkl) "
    "and start the worker with python -m mlx_worker"
)
ADVICE_UNUSED = "MLX computes with a slow BLAS: start the worker with python -m mlx_worker, which preloads {library}"


@dataclass(frozen=True, slots=True)
class Blas:
    """What is in use. `advice` is one line with the next step, empty when there is nothing to do."""

    name: str
    fast: bool
    advice: str = ""


def report() -> Blas:
    """The library that this program computes with, or will once it loads MLX."""
    if sys.platform == "darwin":
        return Blas("Accelerate", fast=True)
    name = loaded(_mapped_files())
    if name is not None:
        return Blas(name, fast=True)
    found = find_library()
    return Blas(REFERENCE, fast=False, advice=ADVICE_UNUSED.format(library=found) if found else ADVICE_MISSING)


def preload_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What to add to the environment of a worker so that MLX computes fast: LD_PRELOAD, or nothing.

    A library that `environ` preloads already comes first, and so wins.
    """
    if sys.platform != "linux" or loaded(environ.get("LD_PRELOAD", "").replace(":", " ").split()):
        return {}
    library = find_library()
    if library is None:
        return {}
    return {"LD_PRELOAD": ":".join(filter(None, [environ.get("LD_PRELOAD"), str(library)]))}


def loaded(paths: list[str]) -> str | None:
    """The name of the fast library among these files, None when there is none.

    Wheels such as numpy's carry an OpenBLAS of their own in `NAME.libs`, under other symbols, which MLX does not call.
    """
    for path in map(Path, paths):
        if path.parent.name.endswith(".libs") and not path.parent.name.startswith("mlx"):
            continue
        if re.match(r"libopenblas(?!64)", path.name) or path.parent.name.startswith("openblas-"):
            return "OpenBLAS"
        if path.name.startswith("libmkl_rt"):
            return "MKL"
    return None


def find_library(root: Path = Path("/")) -> Path | None:
    """A fast library that can be preloaded: the system's OpenBLAS, else the `mkl` wheel's."""
    # LD_PRELOAD separates its entries at spaces and colons and knows no way to quote them.
    usable = (path for path in (*_openblas(root), *_mkl()) if not re.search(r"[\s:]", str(path)))
    return next(usable, None)


def _openblas(root: Path) -> Iterator[Path]:
    triple = sysconfig.get_config_var("MULTIARCH") or "*"
    for pattern in OPENBLAS_PATTERNS:
        yield from sorted(root.glob(pattern.format(triple=triple)))


def _mkl() -> Iterator[Path]:
    """The wheel knows where its files lie: a virtual environment, a home folder and a system differ."""
    try:
        files = importlib.metadata.files("mkl") or []
    except importlib.metadata.PackageNotFoundError:
        return
    for file in files:
        if file.name.startswith("libmkl_rt.so"):
            path = Path(str(file.locate())).resolve()
            if path.exists():
                yield path


def _mapped_files() -> list[str]:
    """The files mapped into this program; none where there is no /proc."""
    try:
        lines = Path("/proc/self/maps").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return mapped_files(lines)


def mapped_files(lines: list[str]) -> list[str]:
    """The paths in lines of /proc/PID/maps: the sixth column, which may hold spaces (proc_pid_maps(5))."""
    columns = (line.split(maxsplit=5) for line in lines)
    return sorted({parts[5] for parts in columns if len(parts) == 6 and parts[5].startswith("/")})
