"""The engine's turns with a disk behind the cache: what is written when, and what is fetched."""

from pathlib import Path

from mlx_worker.prefixes import LONG_REST
from tests.support.fake_runner import FakeRunner, generation
from tests.unit.mlx_worker.test_turns import Bench, answered, prompt

SYSTEM = prompt(300)


def bench_on(folder: Path, runner: FakeRunner | None = None, **limits: int) -> Bench:
    return Bench(runner, disk_cache_dir=folder, disk_cache_bytes=1 << 30, **limits)


def files(folder: Path) -> int:
    return len(list(folder.rglob("*.safetensors")))


def test_system_prompts_are_written_at_the_first_rest_and_sessions_after_a_long_one(tmp_path: Path) -> None:
    bench = bench_on(tmp_path)
    answered(bench, [*SYSTEM, *prompt(300, 1000)], system_end=300)
    assert files(tmp_path) == 0
    assert bench.turns.rest()
    assert not bench.turns.rest()
    assert files(tmp_path) == 1
    bench.now += LONG_REST
    assert bench.turns.rest()
    assert not bench.turns.rest()
    assert files(tmp_path) == 2


def test_a_restarted_worker_computes_only_what_is_new(tmp_path: Path) -> None:
    for cut_back in (True, False):
        folder = tmp_path / str(cut_back)
        first = bench_on(folder, FakeRunner(cut_back=cut_back))
        answered(first, [*SYSTEM, *prompt(300, 1000)], system_end=300)
        first.turns.prefixes.put_away(deadline=first.now + 1)
        second = bench_on(folder, FakeRunner(cut_back=cut_back))
        follow_up = answered(second, [*SYSTEM, *prompt(299, 1000), *prompt(20, 5000)], system_end=300)
        assert second.cached(follow_up) == 599
        other = answered(second, [*SYSTEM, *prompt(20, 8000)], system_end=300)
        assert second.cached(other) == 300


def test_what_leaves_memory_is_found_on_disk(tmp_path: Path) -> None:
    bench = bench_on(tmp_path, cache_bytes=700)
    answered(bench, prompt(400, 1000))
    answered(bench, prompt(400, 2000))
    assert [entry.tokens[0] for entry in bench.turns.cache] == [2000]
    assert bench.cached(answered(bench, [*prompt(399, 1000), *prompt(20, 5000)])) == 399


def test_put_away_ends_at_its_deadline(tmp_path: Path) -> None:
    bench = bench_on(tmp_path)
    answered(bench, prompt(400, 1000))
    bench.turns.prefixes.put_away(deadline=bench.now)
    assert files(tmp_path) == 0


def test_a_folder_that_cannot_be_made_costs_the_tier_alone(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    bench = bench_on(tmp_path / "file" / "folder")
    answered(bench, prompt(400))
    assert not bench.turns.rest()


def test_without_a_quota_nothing_is_written(tmp_path: Path) -> None:
    bench = Bench(disk_cache_dir=tmp_path, disk_cache_bytes=0)
    answered(bench, prompt(400))
    bench.turns.prefixes.put_away(deadline=bench.now + 1)
    assert files(tmp_path) == 0


def test_a_request_hears_its_answer_though_its_file_is_damaged(tmp_path: Path) -> None:
    first = bench_on(tmp_path)
    answered(first, prompt(400))
    first.turns.prefixes.put_away(deadline=first.now + 1)
    second = bench_on(tmp_path)
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:-3])
    job = second.ask(generation([*prompt(399), 7, 8]))
    second.run()
    assert second.text(job) == "Hello there"
    assert second.cached(job) == 0
