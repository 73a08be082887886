"""Which machines share a model: the hostfile of mlx.launch, as mlx.distributed_config writes it.

A list of hosts, or an object with `hosts`, `backend` and `envs`. A host has `ssh` (where to log in, 127.0.0.1: here),
`ips` (where the others reach it, the first one being used) and, for jaccl, `rdma` (its device towards each host, null
for itself). From this comes the environment that mlx's backends look for when they start (mlx 0.32.4,
_distributed_utils/launch.py).
"""

import json
import random
import socket
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

Backend = Literal["ring", "jaccl", "jaccl-ring"]
BACKENDS: tuple[str, ...] = get_args(Backend)
LOOPBACK = "127.0.0.1"
FREE_PORTS = range(20_000, 32_000)
"""Below those that systems give to outgoing connections."""


class HostfileError(ValueError):
    """A hostfile is wrong. The message is one sentence with the next step."""


class Host(BaseModel):
    model_config = ConfigDict(frozen=True)

    ssh: Annotated[str, Field(min_length=1, pattern=r"^[^-\s]\S*$")]
    ips: tuple[str, ...] = ()
    rdma: tuple[str | tuple[str, ...] | None, ...] = ()

    @property
    def here(self) -> bool:
        return self.ssh in (LOOPBACK, "localhost")


class Hostfile(BaseModel):
    model_config = ConfigDict(frozen=True)

    hosts: Annotated[tuple[Host, ...], Field(min_length=2)]
    backend: Backend | Literal[""] = ""
    envs: tuple[Annotated[str, Field(pattern=r"^\w+=")], ...] = ()

    @property
    def on_loopback(self) -> bool:
        return all(host.ips[:1] == (LOOPBACK,) for host in self.hosts)

    @property
    def variables(self) -> dict[str, str]:
        return dict(env.split("=", 1) for env in self.envs)


def read_hostfile(file: Path) -> Hostfile:
    """Raises HostfileError."""
    try:
        content = json.loads(file.read_bytes())
        found = Hostfile.model_validate({"hosts": content} if isinstance(content, list) else content)
    except OSError as error:
        raise HostfileError(f"the hostfile {file} cannot be read ({error.strerror}): name another one") from None
    except ValidationError as error:
        raise HostfileError(f"the hostfile {file} is not usable: {_first(error)}") from None
    except RecursionError:
        raise HostfileError(f"the hostfile {file} is nested too deeply") from None
    except ValueError as error:
        raise HostfileError(f"the hostfile {file} is not JSON: {error}") from None
    if missing := [host.ssh for host in found.hosts if not host.ips]:
        raise HostfileError(f"the hostfile {file} gives no address for {missing[0]}: add it to its ips")
    return found


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def check_backend(hostfile: Hostfile, backend: str) -> None:
    """Raises HostfileError where jaccl has not been told its devices."""
    size = len(hostfile.hosts)
    if backend != "ring" and any(len(host.rdma) != size or host.rdma[n] for n, host in enumerate(hostfile.hosts)):
        raise HostfileError(
            f"the backend {backend} needs for each of the {size} hosts its rdma devices towards all, null for itself: "
            "write the hostfile with mlx.distributed_config, or take --backend ring"
        )


def port_for(hostfile: Hostfile, starting_port: int) -> int:
    """The first of as many ports in a row as there are hosts: the one given, or on this machine alone, free ones."""
    return free_ports(len(hostfile.hosts)) if hostfile.on_loopback else starting_port


def free_ports(count: int) -> int:
    """Raises HostfileError when none are found."""
    for _ in range(50):
        first = random.choice(FREE_PORTS)  # noqa: S311 (no secret)
        if first + count <= FREE_PORTS.stop and all(map(_is_free, range(first, first + count))):
            return first
    raise HostfileError(f"no {count} free ports in a row were found on {LOOPBACK}: end some programs")


def _is_free(port: int) -> bool:
    with ExitStack() as stack:
        try:
            stack.enter_context(socket.socket()).bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def connections(hostfile: Hostfile, backend: str, port: int) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    """What mlx looks for: environment variables, and those whose value is a file's name, with the file's content."""
    if backend == "ring":
        return {}, {"MLX_HOSTFILE": ring_hosts(hostfile.hosts, port)}
    variables = {"MLX_JACCL_COORDINATOR": f"{hostfile.hosts[0].ips[0]}:{port}"}
    if backend == "jaccl-ring":
        variables["MLX_JACCL_RING"] = "1"
    return variables, {"MLX_IBV_DEVICES": [host.rdma for host in hostfile.hosts]}


def ring_hosts(hosts: Sequence[Host], port: int) -> list[list[str]]:
    """Each host listens at each of its addresses; ports count up over all of them, as mlx.launch has it."""
    nodes = []
    for host in hosts:
        nodes.append([f"{address}:{port + n}" for n, address in enumerate(host.ips)])
        port += len(host.ips)
    return nodes
