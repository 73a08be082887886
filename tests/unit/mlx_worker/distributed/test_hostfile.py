"""The hostfile of mlx.launch, and what mlx's backends are told of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from mlx_worker.distributed.hostfile import (
    HostfileError,
    check_backend,
    connections,
    free_ports,
    port_for,
    read_hostfile,
)

A = {"ssh": "mac1.local", "ips": ["10.0.0.1"], "rdma": [None, "rdma_en2"]}
B = {"ssh": "mac2.local", "ips": ["10.0.0.2", "10.0.1.2"], "rdma": ["rdma_en2", None]}
HERE = {"ssh": "127.0.0.1", "ips": ["127.0.0.1"]}


def written(folder: Path, content: Any) -> Path:
    file = folder / "hosts.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_a_list_of_hosts_and_an_object_with_more(tmp_path: Path) -> None:
    assert [host.ssh for host in read_hostfile(written(tmp_path, [A, B])).hosts] == ["mac1.local", "mac2.local"]
    whole = {"backend": "jaccl", "envs": ["MLX_METAL_FAST_SYNCH=1"], "hosts": [A, B]}
    hostfile = read_hostfile(written(tmp_path, whole))
    assert (hostfile.backend, hostfile.variables) == ("jaccl", {"MLX_METAL_FAST_SYNCH": "1"})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ([A], "hosts: Tuple should have at least 2 items"),
        ([A, {"ips": ["10.0.0.2"]}], "hosts.1.ssh: Field required"),
        ([A, {"ssh": "-oProxyCommand=x", "ips": ["10.0.0.2"]}], "hosts.1.ssh"),
        ([A, {"ssh": "mac2"}], "gives no address for mac2"),
        ({"hosts": [A, B], "backend": "mpi"}, "backend"),
        ({"hosts": [A, B], "envs": ["A B"]}, "envs.0"),
        ("3", "is not usable"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(HostfileError) as failed:
        read_hostfile(written(tmp_path, content))
    assert words in str(failed.value)
    assert "\n" not in str(failed.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HostfileError, match="cannot be read"):
        read_hostfile(tmp_path / "none.json")


def test_ring_gets_every_address_with_a_port_of_its_own(tmp_path: Path) -> None:
    hostfile = read_hostfile(written(tmp_path, [A, B]))
    variables, files = connections(hostfile, "ring", 5000)
    assert variables == {}
    assert files == {"MLX_HOSTFILE": [["10.0.0.1:5000"], ["10.0.0.2:5001", "10.0.1.2:5002"]]}


@pytest.mark.parametrize(("backend", "more"), [("jaccl", {}), ("jaccl-ring", {"MLX_JACCL_RING": "1"})])
def test_jaccl_gets_devices_and_a_coordinator(tmp_path: Path, backend: str, more: dict[str, str]) -> None:
    hostfile = read_hostfile(written(tmp_path, [A, B]))
    check_backend(hostfile, backend)
    variables, files = connections(hostfile, backend, 5000)
    assert variables == {"MLX_JACCL_COORDINATOR": "10.0.0.1:5000", **more}
    assert json.loads(json.dumps(files)) == {"MLX_IBV_DEVICES": [[None, "rdma_en2"], ["rdma_en2", None]]}


def test_jaccl_without_devices_is_refused_before_anything_starts(tmp_path: Path) -> None:
    hostfile = read_hostfile(written(tmp_path, [A, HERE]))
    check_backend(hostfile, "ring")
    with pytest.raises(HostfileError, match="needs for each of the 2 hosts its rdma devices"):
        check_backend(hostfile, "jaccl")


def test_ports_are_free_on_one_machine_and_agreed_between_several(tmp_path: Path) -> None:
    assert port_for(read_hostfile(written(tmp_path, [A, B])), 32_323) == 32_323
    assert port_for(read_hostfile(written(tmp_path, [HERE, HERE])), 32_323) in range(20_000, 32_000)
    with pytest.raises(HostfileError, match="no 20000 free ports"):
        free_ports(20_000)
