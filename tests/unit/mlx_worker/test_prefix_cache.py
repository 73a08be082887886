"""The index against the plainest possible model of it: a list of sequences, searched one by one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlx_worker.prefix_cache import GRACE, SHORTEST_HIT, PrefixCache
from mlx_worker.prefix_entry import BLOCK, MOST_CUTS, Cut, Kind, shared_tokens

BIG = 1 << 30
LONG = list(range(1000, 1000 + 5 * BLOCK + 7))

Tokens = list[int]
# Two letters and repeated blocks: sequences that share long beginnings, and differ anywhere, are common.
WORDS = st.sampled_from([[1] * BLOCK, [2] * BLOCK, [1] * (BLOCK // 2), [1], [2], [1, 2, 3]])
SEQUENCES = st.lists(WORDS, min_size=1, max_size=6).map(lambda words: [token for word in words for token in word])
# Shares of a sequence at which its state can be cut back, the whole of it always; None: anywhere.
CUTS = st.none() | st.lists(st.sampled_from([0.3, 0.5, 0.9]), max_size=2)
STORES = st.lists(st.tuples(SEQUENCES, CUTS), max_size=12)


@dataclass
class Plain:
    tokens: Tokens
    ends: set[int] | None

    def serves(self, prompt: Tokens) -> int:
        asked = prompt[:-1]
        same = next((i for i, (a, b) in enumerate(zip(self.tokens, asked, strict=False)) if a != b), None)
        shared = min(len(self.tokens), len(asked)) if same is None else same
        if self.ends is not None:
            shared = max((end for end in self.ends if end <= shared), default=0)
        return shared if shared >= SHORTEST_HIT else 0


def ends_of(tokens: Tokens, shares: Sequence[float] | None) -> set[int] | None:
    return None if shares is None else {len(tokens), *(max(int(share * len(tokens)), 1) for share in shares)}


def put(
    cache: PrefixCache[object],
    tokens: Tokens,
    *,
    ends: Collection[int] | None = None,
    lasting: Collection[int] = (),
    kind: Kind = "assistant",
    nbytes: int = 1,
    session: str | None = None,
) -> list[Tokens]:
    """Stores a state that is the tokens themselves, and cuts that are its beginnings; returns those of the evicted."""
    cuts = None if ends is None else {end: Cut(tuple(tokens[:end]), 0, end in lasting) for end in ends}
    gone = cache.store(tokens, tuple(tokens), nbytes=nbytes, kind=kind, cuts=cuts, session=session)
    return [list(entry.kv) for entry in gone if isinstance(entry.kv, tuple)]


def cache_of(max_bytes: int = BIG, max_entries: int = 10_000, salt: bytes = b"") -> PrefixCache[object]:
    return PrefixCache(max_bytes, max_entries, salt)


def length(cache: PrefixCache[object], prompt: Tokens) -> int:
    hit = cache.peek(prompt)
    return hit.length if hit else 0


@given(STORES, SEQUENCES)
def test_finds_what_a_search_of_everything_finds(
    stores: list[tuple[Tokens, list[float] | None]], prompt: Tokens
) -> None:
    """System prompts, since those do not take each other over."""
    cache = cache_of()
    plain: dict[tuple[int, ...], Plain] = {}
    for tokens, shares in stores:
        put(cache, tokens, ends=ends_of(tokens, shares), kind="system")
        plain[tuple(tokens)] = Plain(tokens, ends_of(tokens, shares))  # stored twice, it keeps its last state only
    assert length(cache, prompt) == max((entry.serves(prompt) for entry in plain.values()), default=0)


@given(STORES, SEQUENCES)
def test_what_it_hands_out_fits_the_prompt(stores: list[tuple[Tokens, list[float] | None]], prompt: Tokens) -> None:
    cache = cache_of()
    for tokens, shares in stores:
        put(cache, tokens, ends=ends_of(tokens, shares))
    if hit := cache.lookup(prompt):
        assert isinstance(hit.entry.kv, tuple)
        assert list(hit.entry.kv[: hit.length]) == prompt[: hit.length]
        assert hit.cut is None or list(hit.cut.state) == prompt[: hit.length]
        assert hit.length < len(prompt)


@given(STORES)
def test_a_longer_state_serves_all_that_those_it_replaced_did(stores: list[tuple[Tokens, list[float] | None]]) -> None:
    cache = cache_of()
    for tokens, shares in stores:
        before = length(cache, [*tokens, 9])
        put(cache, tokens, ends=ends_of(tokens, shares))
        assert length(cache, [*tokens, 9]) >= before


@given(st.lists(st.tuples(SEQUENCES, CUTS, st.sampled_from(["assistant", "user", "system"])), max_size=30))
def test_budgets_hold_and_nothing_is_left_behind(stores: list[tuple[Tokens, list[float] | None, Kind]]) -> None:
    cache = cache_of(max_bytes=300, max_entries=5)
    for tokens, shares, kind in stores:
        put(cache, tokens, ends=ends_of(tokens, shares), kind=kind, nbytes=len(tokens))
        figures = cache.figures()
        assert figures.nbytes == sum(entry.nbytes for entry in cache) <= 300
        assert figures.entries == len(list(cache)) <= 5
        assert figures.tokens == sum(len(entry) for entry in cache)
    cache.clear()
    assert cache.figures().nbytes == 0
    assert cache.figures().entries == 0
    assert not any(length(cache, tokens) for tokens, _, _ in stores)


def test_an_evicted_entry_leaves_no_trace_in_the_index() -> None:
    cache = cache_of(max_entries=1)
    put(cache, LONG)
    put(cache, [7] * 300)
    assert length(cache, LONG) == 0
    put(cache, LONG)
    assert len(cache._nodes) == len(LONG) // BLOCK + 1


def test_the_last_token_is_never_part_of_a_hit() -> None:
    cache = cache_of()
    put(cache, LONG)
    assert length(cache, LONG) == len(LONG) - 1


def test_a_fixed_state_serves_only_what_starts_with_all_of_it() -> None:
    cache = cache_of()
    put(cache, LONG, ends=[len(LONG)])
    assert length(cache, [*LONG, 1]) == len(LONG)
    assert length(cache, LONG) == 0
    assert length(cache, [*LONG[:-1], 1, 2]) == 0


def test_the_least_recently_used_goes_first() -> None:
    one, two, three = ([n] * 40 for n in (1, 2, 3))
    cache = cache_of(max_entries=2)
    put(cache, one)
    put(cache, two)
    cache.lookup([*one, 9])
    assert put(cache, three) == [two]


def test_peeking_is_no_use() -> None:
    one, two, three = ([n] * 40 for n in (1, 2, 3))
    cache = cache_of(max_entries=2)
    put(cache, one)
    put(cache, two)
    cache.peek([*one, 9])
    assert put(cache, three) == [one]


def test_answers_go_before_prompts_before_system_prompts() -> None:
    system, user, assistant, newer = ([n] * 40 for n in (1, 2, 3, 4))
    cache = cache_of(max_bytes=3)
    put(cache, system, kind="system")
    put(cache, user, kind="user")
    put(cache, assistant, kind="assistant")
    assert put(cache, newer) == [assistant]
    assert put(cache, [5] * 40, nbytes=2) == [newer, user]
    assert put(cache, [6] * 40, nbytes=3) == [[5] * 40, system]


def test_what_alone_passes_the_budget_is_not_kept() -> None:
    cache = cache_of(max_bytes=10)
    put(cache, LONG, nbytes=5)
    assert put(cache, [1] * 100, nbytes=11) == []
    assert length(cache, [*LONG, 1]) == len(LONG)


@pytest.mark.parametrize("limits", [(0, 10), (10, 0)])
def test_a_budget_of_nothing_keeps_nothing(limits: tuple[int, int]) -> None:
    cache = cache_of(*limits)
    put(cache, LONG)
    assert len(cache) == 0


def test_a_longer_conversation_replaces_its_own_beginning_but_not_the_system_prompt() -> None:
    cache = cache_of()
    put(cache, LONG[:50], kind="system")
    put(cache, LONG[:100], kind="user")
    put(cache, LONG)
    assert [len(entry) for entry in cache] == [50, len(LONG)]


def test_a_conversation_that_cannot_be_cut_back_keeps_the_cuts_of_its_last_turns() -> None:
    cache = cache_of()
    for end in range(50, 50 + 10 * 10, 10):
        put(cache, LONG[:end], ends=[end])
    (entry,) = cache
    assert sorted(entry.cuts or ()) == [110, 120, 130, 140]
    assert len(entry.cuts or ()) == MOST_CUTS
    assert length(cache, [*LONG[:125], 1]) == 120
    assert length(cache, [*LONG[:60], 1]) == 0


def test_cancels_do_not_push_out_the_cut_where_the_next_turn_starts() -> None:
    cache = cache_of()
    put(cache, LONG[:60], ends=[50, 60], lasting=[50])
    for end in range(70, 140, 10):
        put(cache, LONG[:end], ends=[end])
    (entry,) = cache
    assert sorted(entry.cuts or ()) == [50, 110, 120, 130]
    put(cache, LONG[:150], ends=[140, 150], lasting=[140])
    (entry,) = cache
    assert sorted(entry.cuts or ()) == [120, 130, 140, 150]
    assert length(cache, [*LONG[:145], 1]) == 140


def test_a_place_that_lasts_does_so_whoever_comes_there_again() -> None:
    cache = cache_of()
    put(cache, LONG[:50], ends=[50], lasting=[50])
    put(cache, LONG[:60], ends=[50, 60])
    (entry,) = cache
    assert [end for end, cut in (entry.cuts or {}).items() if cut.lasting] == [50]


def test_a_cut_before_the_parting_beats_nothing_after_it() -> None:
    cache = cache_of()
    put(cache, LONG, ends=[100, len(LONG)])
    put(cache, [*LONG[:70], 7, 7], ends=None)
    assert length(cache, [*LONG[:150], 1, 2]) == 100
    assert length(cache, [*LONG[:90], 1, 2]) == 70


def test_what_active_sessions_left_goes_last() -> None:
    cache = cache_of(max_entries=2)
    put(cache, [1] * 40, session="mine")
    put(cache, [2] * 40, session="other")
    cache.active = {"mine"}
    assert put(cache, [3] * 40) == [[2] * 40]
    assert put(cache, [4] * 40, session="mine") == [[3] * 40]
    assert put(cache, [5] * 40) == [[1] * 40]


def test_what_another_serves_as_well_goes_first() -> None:
    """A system prompt that a conversation begins with, however much later system prompts go otherwise."""
    one, other, new = LONG + [1] * 40, LONG + [2] * 40, [9] * 40
    cache = cache_of(max_entries=3)
    put(cache, LONG, kind="system")
    put(cache, one, session="one")
    put(cache, [3] * 40)
    assert put(cache, new) == [LONG]
    assert length(cache, other) == len(LONG)


@pytest.mark.parametrize(("ends", "first"), [([50, 80], 50), ([60, 80], 80)])
def test_a_state_that_cannot_be_cut_back_to_a_system_prompt_does_not_serve_it(ends: list[int], first: int) -> None:
    cache = cache_of()
    put(cache, LONG[:50], ends=[50], kind="system")
    put(cache, LONG[:80], ends=ends)
    assert next(len(entry) for entry in cache) == first


@given(st.lists(SEQUENCES, min_size=2, max_size=8))
def test_what_others_serve_as_well_is_found_without_it(stored: list[Tokens]) -> None:
    cache = cache_of()
    for tokens in stored:
        put(cache, tokens, kind="system")
    for entry in list(cache):
        served = cache._served_by_others(entry)
        cache.remove(entry)
        left = length(cache, [*entry.tokens, 9])
        assert served == (len(entry) - left < SHORTEST_HIT) or len(entry) < 2 * SHORTEST_HIT
        cache.store(entry.tokens, entry.kv, nbytes=1, kind="system")


def test_what_must_go_is_found_without_comparing_each_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversations that share a system prompt: 256 of them held the engine for 0.2 s at each answer's end."""
    compared = Mock(wraps=shared_tokens)
    monkeypatch.setattr("mlx_worker.prefix_cache.shared_tokens", compared)
    cache = cache_of(max_entries=64)
    for number in range(80):
        put(cache, LONG + [number] * 40)
    assert len(cache) == 64
    compared.assert_not_called()


def test_a_system_prompt_that_nobody_sends_any_more_goes_at_last() -> None:
    cache = cache_of(max_entries=2)
    put(cache, [1] * 40, kind="system")
    put(cache, [2] * 40)
    for _ in range(GRACE["system"] - 3):
        cache.lookup([2] * 40)
    assert put(cache, [3] * 40) == [[2] * 40]
    for _ in range(3):
        cache.lookup([3] * 40)
    assert put(cache, [4] * 40) == [[1] * 40]


def test_looking_up_a_long_prompt_among_many_entries_looks_at_each_once() -> None:
    cache = cache_of()
    long = list(range(60_000))
    for end in range(40_000, 60_000, 500):
        put(cache, [*long[:end], 7], ends=[1000, end + 1], kind="system")
    assert length(cache, long) == 1000


def test_salt_separates_domains() -> None:
    cache = cache_of(salt=b"one")
    put(cache, LONG)
    assert {key for entry in cache for key in entry.keys}.isdisjoint(
        cache_of(salt=b"two")._keys_after_root(next(iter(cache)).packed)
    )


def test_equal_keys_alone_are_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if every block hashed alike, a prompt never gets another one's state."""
    cache = cache_of()
    monkeypatch.setattr(
        cache, "_keys_after_root", lambda packed: (bytes([i]) for i in range(len(packed) // 4 // BLOCK))
    )
    put(cache, LONG)
    assert length(cache, [1] * len(LONG)) == 0
    assert length(cache, [*LONG, 1]) == len(LONG)


def test_figures_count_hits_against_prompts() -> None:
    cache = cache_of()
    put(cache, LONG)
    cache.lookup([*LONG, 1, 2])
    cache.lookup([3] * 50)
    assert (cache.figures().hit_tokens, cache.figures().prompt_tokens) == (len(LONG), len(LONG) + 52)


def test_what_a_session_leaves_behind_when_its_end_comes_back_changed_goes() -> None:
    """As with a call whose arguments the client wrote anew: the old end is never asked for again."""
    cache, history = cache_of(), LONG * 4
    put(cache, history + [7] * 40, session="a")
    put(cache, history + [8] * 80, session="a")
    assert len(cache) == 1
    assert length(cache, [*history, 7, 7, 7]) == len(history)


@pytest.mark.parametrize(("session", "kind"), [("b", "assistant"), (None, "assistant"), ("a", "system")])
def test_what_others_and_system_prompts_left_stays(session: str | None, kind: Kind) -> None:
    cache, history = cache_of(), LONG * 4
    put(cache, history + [7] * 40, session="a", kind=kind)
    put(cache, history + [8] * 80, session=session)
    assert len(cache) == 2


def test_a_state_that_the_newer_one_does_not_serve_as_well_stays() -> None:
    cache, history = cache_of(), LONG * 4
    put(cache, history + [7] * 40, ends={len(history), len(history) + 40}, session="a")
    put(cache, history + [8] * 80, ends={100, len(history) + 80}, session="a")
    assert len(cache) == 2
    assert length(cache, [*history, 9, 9]) == len(history)


def test_a_session_that_begins_anew_keeps_what_it_left() -> None:
    cache = cache_of()
    put(cache, LONG + [7] * len(LONG), session="a")
    put(cache, LONG + [8] * len(LONG), session="a")
    assert len(cache) == 2
