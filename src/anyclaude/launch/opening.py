"""The upstream of a launch: the configured one, or a worker of our own where mlx-cluster has no node."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from anyclaude.backends.base import ModelInfo
from anyclaude.backends.router import Router
from anyclaude.config.model import Settings
from anyclaude.config.names import NAMELESS
from anyclaude.config.profiles import change_of
from anyclaude.config.upstreams import Node
from anyclaude.launch.patience import Watcher, told_of
from anyclaude.launch.worker import LocalWorker, local_worker, wait_ready


@asynccontextmanager
async def opened_backend(
    settings: Settings, environ: Mapping[str, str], watcher: Watcher, open_backend: Callable[[Settings], Router]
) -> AsyncIterator[tuple[Router, ModelInfo]]:
    """The backend and the model that will answer, for as long as the block lasts.

    Raises SetupError, with the next step, when none can.
    """
    worker = None
    async with AsyncExitStack() as open_parts:
        if settings.mode == "mlx-cluster" and settings.backends.mlx_cluster.is_empty:
            worker = await open_parts.enter_async_context(local_worker(settings.model, environ, watcher))
            settings = _with_node(settings, worker.node)
        backend = open_backend(settings)
        open_parts.push_async_callback(backend.aclose)
        yield backend, await _ready(settings, backend, worker, watcher)


async def _ready(settings: Settings, backend: Router, worker: LocalWorker | None, watcher: Watcher) -> ModelInfo:
    if worker is None and settings.skip_setup_check:
        return _unasked(settings)
    if worker is None:
        async with told_of(watcher, f"asking {settings.mode} which model answers"):
            return await backend.first_ready()
    watcher.progress("the worker loads its model")
    async with told_of(watcher, "the worker loads its model"):
        return await wait_ready(backend.ready, worker)


def _unasked(settings: Settings) -> ModelInfo:
    """What there is to know of a model that nobody was asked about: the person's own word."""
    name = settings.model or NAMELESS
    said = change_of(name, settings.profiles)
    return ModelInfo(name, said.context_window, said.tools, said.images)


def _with_node(settings: Settings, node: Node) -> Settings:
    """The settings for a worker of our own, which has one model."""
    cluster = settings.backends.mlx_cluster.of(node)
    backends = settings.backends.model_copy(update={"mlx_cluster": cluster})
    return settings.model_copy(update={"backends": backends, "model": None})
