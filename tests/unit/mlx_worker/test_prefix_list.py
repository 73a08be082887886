"""The cache's entries as they are told: named by their system prompt, with the time of their last use."""

from mlx_worker.engine import CachedPrefix
from mlx_worker.generation import Generation, Prompt
from mlx_worker.prefix_cache import PrefixCache
from mlx_worker.prefix_list import MOST_NAMES, PrefixList

SYSTEM = tuple(range(1, 11))


def asked(tokens: tuple[int, ...], name: str | None, system_end: int = len(SYSTEM)) -> Generation:
    return Generation(Prompt(tokens, system_end), 5, system_hash=name)


def stored(cache: PrefixCache[str], tokens: tuple[int, ...], session: str | None = None) -> None:
    cache.store(tokens, "state", nbytes=100, kind="user", session=session)


class Bench:
    def __init__(self) -> None:
        self.now = 1000.0
        self.cache: PrefixCache[str] = PrefixCache(1 << 20)
        self.list = PrefixList(lambda: self.now)

    def look(self) -> list[CachedPrefix]:
        return list(self.list.look(("memory", entry) for entry in self.cache))


def test_an_entry_says_what_a_router_needs() -> None:
    bench = Bench()
    bench.list.name(asked((*SYSTEM, 50), "abc"))
    stored(bench.cache, (*SYSTEM, 50, 51), "me")
    (told,) = bench.look()
    assert (told.system_hash, told.session, told.tokens, told.tier) == ("abc", "me", 12, "memory")
    assert (told.kind, told.nbytes, told.last_used) == ("user", 100, 1000.0)
    assert len(told.hash) == 32


def test_of_several_names_the_longest_beginning_counts() -> None:
    bench = Bench()
    bench.list.name(asked((*SYSTEM, 50), "short", system_end=4))
    bench.list.name(asked((*SYSTEM, 50), "long"))
    bench.list.name(asked((90, 91, 92), "other", system_end=2))
    stored(bench.cache, (*SYSTEM, 60))
    assert [told.system_hash for told in bench.look()] == ["long"]


def test_without_a_system_prompt_there_is_no_name() -> None:
    bench = Bench()
    bench.list.name(asked((*SYSTEM, 50), "abc", system_end=0))
    bench.list.name(asked((*SYSTEM, 50), None))
    stored(bench.cache, (*SYSTEM, 60))
    assert [told.system_hash for told in bench.look()] == [None]


def test_a_use_makes_it_the_first_of_the_list() -> None:
    bench = Bench()
    stored(bench.cache, tuple(range(100, 120)))
    bench.look()
    bench.now = 2000.0
    stored(bench.cache, tuple(range(200, 220)))
    assert [told.last_used for told in bench.look()] == [2000.0, 1000.0]
    bench.now = 3000.0
    assert bench.cache.lookup(tuple(range(100, 121)))
    assert [told.last_used for told in bench.look()] == [3000.0, 2000.0]
    bench.now = 4000.0
    assert [told.last_used for told in bench.look()] == [3000.0, 2000.0]


def test_a_name_that_is_learnt_later_counts_too() -> None:
    bench = Bench()
    stored(bench.cache, (*SYSTEM, 60))
    assert bench.look()[0].system_hash is None
    bench.list.name(asked((*SYSTEM, 50), "abc"))
    assert bench.look()[0].system_hash == "abc"


def test_the_same_prefix_on_two_tiers_is_two_entries() -> None:
    bench = Bench()
    stored(bench.cache, SYSTEM)
    (entry,) = bench.cache
    both = bench.list.look([("memory", entry), ("disk", entry)])
    assert [told.tier for told in both] == ["memory", "disk"]
    assert both[0].hash == both[1].hash


def test_names_are_bounded_and_gone_entries_forgotten() -> None:
    bench = Bench()
    for start in range(2 * MOST_NAMES):
        bench.list.name(asked((start, start + 1, 7), "x", system_end=2))
    assert len(bench.list._names) == MOST_NAMES
    stored(bench.cache, SYSTEM)
    bench.look()
    bench.cache.clear()
    assert bench.look() == []
    assert bench.list._known == {}
