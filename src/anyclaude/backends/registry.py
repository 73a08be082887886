"""From the settings to the backend they name."""

from anyclaude.backends.base import Backend
from anyclaude.backends.lmstudio import LMStudioBackend
from anyclaude.backends.mlx_cluster import MlxClusterBackend
from anyclaude.config.model import Settings
from anyclaude.errors import SetupError


def open_backend(settings: Settings) -> Backend:
    """The backend of the chosen mode. Raises SetupError for a mode that cannot be started yet."""
    match settings.mode:
        case "lmstudio":
            return LMStudioBackend(settings.lmstudio, settings.model, settings.deadlines)
        case "mlx-cluster":
            nodes = settings.cluster.nodes
            if len(nodes) != 1:
                raise SetupError(f"mlx-cluster works with one node for now, and {len(nodes)} are configured")
            return MlxClusterBackend(nodes[0], settings.model, settings.deadlines)
        case other:
            raise SetupError(f"mode {other} is not there yet; use --mode=lmstudio or --mode=mlx-cluster")
