"""Warming: a prompt is computed when nobody has work, gives way in the middle, and is there for the next request."""

from mlx_worker.events import Finished, Progress
from tests.support.fake_runner import FakeRunner, generation
from tests.unit.mlx_worker.test_turns import CHUNK, SYSTEM, Bench, answered, prompt


def test_a_warmed_prompt_is_cached_and_nothing_is_said() -> None:
    bench = Bench()
    warmed = bench.ask(generation(prompt(40), warm=True))
    bench.run()
    assert bench.end(warmed) == Finished("stop", 0)
    assert bench.text(warmed) == ""
    assert bench.turns.idle
    assert bench.cached(answered(bench, prompt(50))) == 39
    assert bench.turns.figures.finished == 1


def test_a_warmed_system_prompt_is_kept_as_one() -> None:
    bench = Bench(FakeRunner(cut_back=False))
    bench.ask(generation([*SYSTEM, 99], system_end=len(SYSTEM), warm=True))
    bench.run()
    assert [(len(entry), entry.kind) for entry in bench.turns.cache] == [(len(SYSTEM), "system")]


def test_it_waits_for_everyone_and_gives_way_in_the_middle() -> None:
    bench = Bench(max_batch=1)
    warmed = bench.ask(generation(prompt(100), warm=True))
    bench.turns.turn()
    assert warmed.done == CHUNK
    late = bench.ask(generation(prompt(60, start=500)))
    while Finished("stop", 3) not in bench.heard[late.arrival]:
        assert warmed.done == CHUNK
        bench.turns.turn()
    bench.run()
    assert bench.end(warmed) == Finished("stop", 0)


def test_it_takes_no_place_in_the_queue() -> None:
    begun: list[str] = []
    bench = Bench()
    bench.turns._begun = lambda: begun.append("begun")
    bench.ask(generation(prompt(20), warm=True))
    gone = bench.ask(generation(prompt(20, start=300), warm=True))
    gone.cancelled = True
    bench.run()
    answered(bench, prompt(20, start=600))
    assert begun == ["begun"]
    assert not any(isinstance(event, Progress) for event in bench.heard[gone.arrival])
