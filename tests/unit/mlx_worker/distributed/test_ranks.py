"""The leader's runner and its followers, on runners without arrays: what one computes, all compute."""

import gc
import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mlx_worker.distributed.channel import Channel
from mlx_worker.distributed.follower import OutOfStep, follow
from mlx_worker.distributed.leader import Followers, LeadingRunner
from mlx_worker.engine_thread import EngineThread
from mlx_worker.events import Event, Failed, Finished, TextPiece
from mlx_worker.generation import AnswerShape, Sampling
from mlx_worker.jobs import Job, Limits
from mlx_worker.runner import Memory, RunnerLost, Step
from mlx_worker.turns import Turns
from tests.support.fake_runner import FakeRunner, generation

SOON = 20.0
PROMPT = list(range(1, 30))


@dataclass
class Ranks:
    leader: LeadingRunner
    runners: list[FakeRunner]
    following: "Future[None]"
    channel: Channel
    lost: list[str] = field(default_factory=list)
    told: threading.Event = field(default_factory=threading.Event)

    def hear(self, reason: str) -> None:
        self.lost.append(reason)
        self.told.set()


@contextmanager
def ranks(room: int | None = None) -> Iterator[Ranks]:
    with ExitStack() as stack:
        ends = [Channel(end) for end in tcp_pair()]
        for end in ends:
            stack.callback(end.close)
        pool = stack.enter_context(ThreadPoolExecutor(1))
        stack.callback(ends[0].close)
        runners = [FakeRunner(), FakeRunner()]
        following = pool.submit(follow, ends[1], runners[1])
        pair: Ranks
        followers = Followers({1: ends[0]}, lambda reason: pair.hear(reason))
        pair = Ranks(LeadingRunner(runners[0], followers, room), runners, following, ends[1])
        followers.watch()
        yield pair
        pair.leader.close()


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        return one, server.accept()[0]


def run(turns: Turns, tokens: list[int], **fields: object) -> list[Event]:
    events: list[Event] = []
    turns.add(Job(generation(tokens, **fields), events.append, 1))  # type: ignore[arg-type]
    for _ in range(100):
        turns.turn()
        if isinstance(events[-1], Finished | Failed):
            return events
    raise AssertionError("it never ended")


def test_the_followers_compute_what_the_leader_computes() -> None:
    with ranks() as pair:
        turns = Turns(pair.leader, Limits(prefill_chunk=8))
        answer = run(turns, PROMPT, system_end=10, sampling=Sampling(seed=4, logit_bias=((3, 1.5),)))
        assert [event.text for event in answer if isinstance(event, TextPiece)] == ["Hello", " there"]
        run(turns, [*PROMPT, 77, 78, 79])
        pair.leader.close()
        pair.following.result(SOON)
        assert pair.runners[1].prefilled == pair.runners[0].prefilled
        assert sum(map(len, pair.runners[1].prefilled)) == len(PROMPT) + 1  # of the second turn only its end


def test_states_nobody_holds_are_forgotten_with_the_next_call() -> None:
    with ranks() as pair:
        kv = pair.leader.new_kv()
        pair.leader.prefill(kv, [1, 2, 3])
        twin = pair.leader.fork(kv, 2)
        assert (pair.leader.nbytes(kv), pair.leader.nbytes(twin)) == (3, 2)
        cut = pair.leader.cut(twin)
        assert pair.leader.nbytes(pair.leader.fork(kv, 2, cut)) == 2
        del kv, twin, cut
        gc.collect()
        pair.leader.new_kv()
        assert len(pair.leader._shard) == 1


def refuse_one_token(runner: FakeRunner) -> None:
    prefill = runner.prefill

    def picky(kv: Any, tokens: Sequence[int]) -> None:
        if len(tokens) == 1:
            raise ValueError("too odd")
        prefill(kv, tokens)

    runner.prefill = picky  # type: ignore[method-assign]


def test_a_failure_on_every_rank_fails_that_call_alone() -> None:
    with ranks() as pair:
        for runner in pair.runners:
            refuse_one_token(runner)
        kv = pair.leader.new_kv()
        with pytest.raises(ValueError, match="too odd"):
            pair.leader.prefill(kv, [1])
        pair.leader.prefill(kv, [1, 2])
        pair.leader.close()
        pair.following.result(SOON)
        assert pair.runners[1].prefilled == [[1, 2]]
        assert pair.lost == []


def test_a_follower_that_fails_alone_is_out_of_step() -> None:
    with ranks() as pair:
        pair.runners[1].prefill_error = ValueError("out of memory here")
        kv = pair.leader.new_kv()
        pair.leader.prefill(kv, [1])
        pair.leader.prefill(kv, [2])
        with pytest.raises(OutOfStep, match="out of memory here"):
            pair.following.result(SOON)


def test_a_leader_that_fails_alone_leaves_its_followers_out_of_step() -> None:
    with ranks() as pair:
        kv = pair.leader.new_kv()
        pair.runners[0].prefill_error = ValueError("here only")
        with pytest.raises(ValueError, match="here only"):
            pair.leader.prefill(kv, [1])
        with pytest.raises(OutOfStep, match="failed on the first host, but not here"):
            pair.following.result(SOON)


def test_a_lost_follower_is_told_at_once_and_ends_the_engine() -> None:
    with ranks() as pair:
        turns = Turns(pair.leader, Limits())
        pair.channel.close()
        assert pair.told.wait(SOON)
        assert pair.lost[0].startswith("host 1 of the group was lost")
        with pytest.raises(RunnerLost, match="host 1 of the group was lost"):
            run(turns, PROMPT)
        assert len(pair.lost) == 1


def test_an_engine_that_hangs_is_given_up_from_outside() -> None:
    """Whoever waits hears of it, though the engine's thread does not come back."""
    hanging, over, events = threading.Event(), threading.Event(), queue.SimpleQueue[Event]()

    class Hanging(FakeRunner):
        def step(self) -> list[Step]:
            hanging.set()
            assert over.wait(SOON)
            return super().step()

    died: list[BaseException] = []
    engine = EngineThread(Hanging, Limits(), died=died.append)
    ready = threading.Event()
    engine.start()
    for _ in range(1000):
        if engine.status().state == "ready":
            break
        ready.wait(0.01)
    engine.submit(generation(PROMPT), events.put)
    assert hanging.wait(SOON)
    engine.give_up("host 1 of the group was lost")
    engine.give_up("and more")
    while not isinstance(event := events.get(timeout=SOON), Failed):
        pass
    assert "host 1 of the group was lost" in str(event.error)
    assert (engine.status().state, len(died)) == ("dead", 1)
    over.set()
    engine.stop(SOON)


def test_why_a_follower_ends_is_told() -> None:
    with ranks() as pair:
        pair.channel.send({"lost": "step failed here"})
        assert pair.told.wait(SOON)
        assert "(step failed here)" in pair.lost[0]


def test_grammars_are_made_ready_everywhere_and_never_fail_a_request() -> None:
    shape = AnswerShape(must_call=True, schema={"type": "object"})
    with ranks() as pair:
        pair.leader.compile([{"type": "function"}], shape)
        pair.leader.new_kv()
        pair.channel.close()
        assert pair.told.wait(SOON)
        pair.leader.compile([], shape)
    assert pair.runners[0].compiled == [shape, shape]
    assert pair.runners[1].compiled == [shape]


def test_the_tightest_machine_bounds_the_memory() -> None:
    with ranks(room=1000) as pair:
        assert pair.leader.memory() == Memory(0, 1000)
    with ranks(room=1 << 50) as pair:
        assert pair.leader.memory() == Memory(0, 1 << 40)


def test_states_are_not_written_to_disk(tmp_path: Path) -> None:
    with ranks() as pair, pytest.raises(OSError, match="not written to disk"):
        pair.leader.save(tmp_path / "state", pair.leader.new_kv(), None, {})
