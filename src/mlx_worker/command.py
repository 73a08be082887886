"""What `mlx_worker` does: one worker, started the way that computes fastest and ends with whoever started it.

What `uvicorn mlx_worker.server:app` cannot do is done here: a fast BLAS is preloaded, for which this program starts
itself once more; the model is fetched before the port opens, so that a bad one is one sentence and exit code 2; a line
on stdout says the port, which the system may have chosen; and a closed stdin may end the worker.
"""

import argparse
import ipaddress
import os
import signal
import sys
import threading
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from anyclaude.wire.exit_codes import ExitCode, by_signal
from anyclaude.wire.proof import SHORTEST_SECRET
from mlx_worker import blas, models
from mlx_worker.distributed.hostfile import BACKENDS, HostfileError
from mlx_worker.distributed.supervisor import STARTING_PORT, plan_of, supervise
from mlx_worker.errors import ModelLoadError
from mlx_worker.health import package_version
from mlx_worker.listening import CannotServe, bound, listen, serve
from mlx_worker.log_lines import show_log
from mlx_worker.settings import Settings, SettingsError

BOUNDED_ARENAS = {"MALLOC_ARENA_MAX": "2"}
"""For glibc. It gives each thread an arena, and freed memory stays in the one that it came from: what each thread once
held at most, the program would keep for all of them together."""
STARTED_AGAIN = "MLX_WORKER_STARTED_AGAIN"  # guards against starting again for ever
HELP_WIDTH = 78  # columns
ABOUT = """\
Serve a model with MLX behind an OpenAI-compatible API. Every setting is a
variable (MLX_MODEL_PATH, MLX_HOST, MLX_PORT, MLX_WORKER_TOKEN, ...); these go
before it. More: docs/guides/worker.md"""
EXAMPLES = """\
examples:
  mlx_worker                         a model that fits this machine, port 8081
  mlx_worker --fetch-only            get that model now, and serve it later
  mlx_worker --model ~/models/qwen3  another: a folder, or org/name of the hub
  MLX_WORKER_TOKEN=... mlx_worker --host 0.0.0.0"""
LAST_SECONDS = 20.0  # once stdin is closed: then it ends, whatever its threads do


class Ended(BaseException):
    """A signal asked this program to end. Not an Exception: nobody on the way out may swallow it."""

    def __init__(self, code: int) -> None:
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end, and return the exit code."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    if options.exit_with_stdin:
        threading.Thread(target=_end_with_stdin, name="stdin", daemon=True).start()
    try:
        return _run(options)
    except (CannotServe, HostfileError, ModelLoadError, SettingsError) as error:
        sys.stderr.write(f"mlx_worker: {error}\n")
        return ExitCode.TRY_AGAIN if isinstance(error, models.HubUnreachable) else ExitCode.NOT_READY
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Ended as ended:
        return ended.code


def parser() -> argparse.ArgumentParser:
    """What may be asked of the worker."""
    wrapped = partial(argparse.RawDescriptionHelpFormatter, width=HELP_WIDTH)
    top = argparse.ArgumentParser(prog="mlx_worker", description=ABOUT, epilog=EXAMPLES, formatter_class=wrapped)
    top.add_argument("--host", help="address to listen on (default 127.0.0.1); others need MLX_WORKER_TOKEN")
    top.add_argument("--port", help="port to listen on (default 8081); 0 takes a free one")
    top.add_argument("--model", help="folder of an MLX model, or org/name on the Hugging Face hub")
    top.add_argument("--fetch-only", action="store_true", help="get the model, print its folder and end")
    top.add_argument("--exit-with-stdin", action="store_true", help="end when stdin is closed")
    group = top.add_argument_group("a model over several machines")
    group.add_argument("--hostfile", type=Path, help="JSON of the machines, as mlx.distributed_config writes it")
    group.add_argument("--backend", choices=BACKENDS, help="what carries arrays (default: the hostfile's, else ring)")
    group.add_argument("--pipeline", action="store_true", help="give each machine some layers, not a part of every one")
    group.add_argument("--starting-port", type=int, default=STARTING_PORT, help="first port between the machines")
    top.add_argument("--version", action="version", version=f"mlx_worker {package_version()}")
    return top


def _run(options: argparse.Namespace) -> int:
    settings = _settings(options)
    if options.fetch_only:
        sys.stdout.write(f"{models.resolve(settings.model_path)}\n")
        return ExitCode.DONE
    if options.hostfile:
        plan = plan_of(options.hostfile, options.backend, options.starting_port, pipeline=options.pipeline)
        return supervise(plan, settings)
    _start_again_with_fast_blas()
    show_log(settings.log_level)
    with bound(settings) as listener:
        os.environ["MLX_PORT"] = str(listener.getsockname()[1])  # where the application looks for what it announces
        models.resolve(settings.model_path)
        listen(listener, settings)
        serve("mlx_worker.server:app", listener, settings)
    return ExitCode.DONE


def _settings(options: argparse.Namespace) -> Settings:
    """Flags go into the environment, where the application looks. Raises SettingsError, CannotServe."""
    flags = {"MLX_HOST": options.host, "MLX_PORT": options.port, "MLX_MODEL_PATH": options.model}
    os.environ.update({name: value for name, value in flags.items() if value is not None})
    settings = Settings.from_environment(os.environ)
    token = settings.token.get_secret_value() if settings.token else ""
    if len(token) < SHORTEST_SECRET and not _is_loopback(settings.host):
        raise CannotServe(
            f"{settings.host} is open to other machines: set MLX_WORKER_TOKEN to a random text of at least "
            f"{SHORTEST_SECRET} characters"
        )
    return settings


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _start_again_with_fast_blas() -> None:
    """Put a fast BLAS before MLX's own. The loader reads LD_PRELOAD at a program's start, hence the new start."""
    if os.environ.pop(STARTED_AGAIN, None) is not None or blas.report().fast:
        return
    if added := blas.preload_environment(os.environ):
        program = [sys.executable, *sys.orig_argv[1:]]
        environment = {**BOUNDED_ARENAS, **os.environ, **added, STARTED_AGAIN: "1"}
        os.execve(sys.executable, program, environment)  # noqa: S606 (our own program)


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    """Unwinds, so that a fetch in work ends its child and removes its files."""
    raise Ended(by_signal(number))


def _end_with_stdin() -> None:
    """A parent that is killed cannot say so, but its end of the pipe closes."""
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(LAST_SECONDS)
    os._exit(by_signal(signal.SIGTERM))
