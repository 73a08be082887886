"""`mlx-cluster.json`: the nodes of a cluster and how they are asked, as a layer of the settings.

The one in `~/.anyclaude` is the user's own. The one in the working directory may have come with a repository, so it is
believed no further than a project's `.anyclauderc.json`. Of two files of the same place this one counts more, because
it is about the cluster alone.
"""

from pathlib import Path
from typing import Final

from anyclaude.config.files import Found, items, read, taken_apart
from anyclaude.config.items import FieldPath, Item
from anyclaude.config.upstreams import Cluster

NAME: Final = "mlx-cluster.json"
OWN: Final = f"~/.anyclaude/{NAME}"

_CLUSTER: Final[FieldPath] = ("backends", "mlx_cluster")


def own_cluster_file(home: Path) -> Found | None:
    """`~/.anyclaude/mlx-cluster.json`. Raises SetupError for a file that cannot be read."""
    return read(home / ".anyclaude" / NAME, OWN)


def project_cluster_file(cwd: Path, home: Path) -> Found | None:
    """The file of the working directory; None in `~/.anyclaude`, where it is the user's own. Raises SetupError."""
    if cwd.resolve() == (home / ".anyclaude").resolve():
        return None
    return read(cwd / NAME, NAME)


def cluster_items(found: Found) -> list[Item]:
    """What the file sets, as Items whose origin is like `mlx-cluster.json: routing.strategy`. Raises SetupError."""
    return taken_apart(found, Cluster, _CLUSTER, '{"discovery": {"nodes": []}}')


def items_of(found: Found) -> list[Item]:
    """What a file of the working directory sets, whichever of the two it is. Raises SetupError."""
    return cluster_items(found) if found.path.name == NAME else items(found)
