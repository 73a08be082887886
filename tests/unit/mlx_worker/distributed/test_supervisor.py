"""What the supervisor tells each rank, and how long it goes on."""

import json
import shlex
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from mlx_worker.distributed.group import End, Group, command_of
from mlx_worker.distributed.hostfile import Host
from mlx_worker.distributed.orders import CANNOT_SERVE, LOST, PULSE
from mlx_worker.distributed.supervisor import MOST_LOSSES, Losses, Plan, plan_of, seats_of, supervise, variables_of
from mlx_worker.distributed.watchdog import pulse
from mlx_worker.engine import EngineStatus
from mlx_worker.listening import CannotServe
from mlx_worker.settings import Settings

HOSTS = [{"ssh": "mac1", "ips": ["10.0.0.1"]}, {"ssh": "mac2", "ips": ["10.0.0.2"]}]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "hosts.json").write_text(json.dumps({"hosts": HOSTS, "backend": "ring"}))
    return plan_of(tmp_path / "hosts.json", None, 5000, pipeline=True)


def test_pauses_grow_until_it_is_of_no_use() -> None:
    now = 0.0
    losses = Losses(lambda: now)
    assert [losses.pause() for _ in range(MOST_LOSSES)] == [1.0, 2.0, 4.0, 8.0, None]
    now = 700.0
    assert losses.pause() == 1.0


def test_only_the_first_rank_gets_the_token(plan: Plan) -> None:
    environ = {"MLX_WORKER_TOKEN": "secret", "MLX_MODEL_PATH": "org/model", "HOME": "/home/me"}
    variables = variables_of(Settings.from_environment(environ), environ)
    first, second = seats_of(plan, variables)
    assert first.variables == {
        "MLX_WORKER_TOKEN": "secret",
        "MLX_MODEL_PATH": "org/model",
        "MLX_DISK_CACHE_BYTES": "0",
    }
    assert second.variables == {"MLX_MODEL_PATH": "org/model"}
    assert (first.rank, first.size, first.host, first.pipeline, first.leader) == (0, 2, "10.0.0.1", True, None)
    assert first.secret == second.secret != seats_of(plan, variables)[0].secret
    assert second.files == {"MLX_HOSTFILE": [["10.0.0.1:5000"], ["10.0.0.2:5001"]]}


def test_a_disk_cache_is_turned_off_aloud(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    environ = {"MLX_DISK_CACHE_BYTES": "1000", "MLX_MODEL_PATH": str(tmp_path)}
    assert variables_of(Settings.from_environment(environ), environ)["MLX_DISK_CACHE_BYTES"] == "0"
    assert "the disk cache is off" in capsys.readouterr().err


class ScriptedGroup(Group):
    """Ends as it is told to, without a rank."""

    ends: ClassVar[list[End]] = []
    ports: ClassVar[list[str | None]] = []

    def run(self) -> End:
        self.ports.append(self._seats[0].variables.get("MLX_PORT"))
        self.address = {"MLX_PORT": "4711"}
        return self.ends.pop(0)


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([End(LOST, "rank 1 ended")] * MOST_LOSSES, LOST),
        ([End(LOST, "rank 1 ended"), End(CANNOT_SERVE, "rank 0 ended")], CANNOT_SERVE),
        ([End(0, "rank 0 ended")], 0),
    ],
)
def test_a_lost_group_starts_again_on_its_port_while_that_is_of_use(plan: Plan, ends: list[End], code: int) -> None:
    ScriptedGroup.ends, ScriptedGroup.ports, pauses = [*ends], [], list[float]()
    assert supervise(plan, Settings(port=0), start=ScriptedGroup, wait=pauses.append) == code
    assert ScriptedGroup.ports == [None, *["4711"] * (len(ends) - 1)]
    assert pauses == [1.0, 2.0, 4.0, 8.0][: len(ends) - 1]


def test_what_a_split_model_cannot_have_is_refused(plan: Plan) -> None:
    with pytest.raises(CannotServe, match="MLX_KV_BITS does not go with --hostfile"):
        supervise(plan, Settings(kv_bits=4))


def test_a_rank_here_and_a_rank_elsewhere() -> None:
    program = [sys.executable, "-P", "-m", "mlx_worker.distributed.rank"]
    variables = {"MLX_METAL_FAST_SYNCH": "1", "ODD": "a b;c"}
    assert command_of(Host(ssh="127.0.0.1"), variables) == program
    *_, host, remote = command_of(Host(ssh="me@mac2"), variables)
    assert host == "me@mac2"
    assert shlex.split(remote) == ["exec", "env", "MLX_METAL_FAST_SYNCH=1", "ODD=a b;c", *program]


def test_a_pulse_while_the_engine_lives_and_then_it_is_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    slow = EngineStatus("ready", hung=False, heartbeat_age=300.0)
    late = EngineStatus("ready", hung=True, heartbeat_age=59.0)
    gone = EngineStatus("ready", hung=True, heartbeat_age=61.0)
    statuses, reasons = iter([slow, late, gone]), list[str]()
    pulse(lambda: next(statuses), reasons.append, pause=lambda seconds: None)
    assert capsys.readouterr().out == f"{PULSE}\n" * 2
    assert reasons == ["the engine gave no sign of life for 61 seconds: one of the hosts hangs, or is gone"]
