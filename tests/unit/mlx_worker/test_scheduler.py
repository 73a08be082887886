from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from mlx_worker.scheduler import PrefillOrder, TimeShare


@dataclass
class Job:
    arrival: int
    remaining: int


def test_the_shortest_goes_first() -> None:
    order, long, short = PrefillOrder(), Job(1, 900), Job(2, 10)
    assert order.choose([long, short]) is short


def test_equals_go_in_the_order_they_came() -> None:
    assert PrefillOrder().choose([Job(2, 10), Job(1, 10)]).arrival == 1


def test_every_fifth_chunk_goes_to_the_oldest() -> None:
    order, long, short = PrefillOrder(), Job(1, 900), Job(2, 10)
    assert [order.choose([long, short]).arrival for _ in range(10)] == [2, 2, 2, 2, 1] * 2


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8))
def test_nobody_starves_however_many_short_ones_come(lengths: list[int]) -> None:
    """The first one gets through in five turns a chunk, though a one-chunk request arrives every turn."""
    order, first = PrefillOrder(), Job(0, 20)
    jobs = [first, *(Job(i + 1, length) for i, length in enumerate(lengths))]
    for turn in range(20 * 5):
        chosen = order.choose(jobs)
        chosen.remaining -= 1
        jobs = [job for job in jobs if job.remaining > 0]
        jobs.append(Job(100 + turn, 1))
    assert first not in jobs


def test_a_chunk_is_paid_back_with_as_much_decoding() -> None:
    share = TimeShare()
    assert share.prefill_next(prefilling=True, decoding=True)
    share.prefilled(1.0)
    steps = 0
    while not share.prefill_next(prefilling=True, decoding=True):
        share.decoded(0.1)
        steps += 1
    assert steps in (10, 11)


def test_short_prompts_are_computed_in_a_row_up_to_the_credit_and_then_paid_back() -> None:
    share, chunks, steps = TimeShare(credit=0.25), 0, 0
    while share.prefill_next(prefilling=True, decoding=True, short=True):
        share.prefilled(0.1)
        chunks += 1
    assert chunks == 3
    while not share.prefill_next(prefilling=True, decoding=True):
        share.decoded(0.1)
        steps += 1
    assert steps in (3, 4)


def test_who_is_alone_does_not_wait() -> None:
    share = TimeShare()
    share.prefilled(5.0)
    assert share.prefill_next(prefilling=True, decoding=False)
    assert not share.prefill_next(prefilling=False, decoding=True)


def test_what_was_computed_alone_is_not_owed_later() -> None:
    share = TimeShare()
    share.prefilled(100.0)
    assert share.prefill_next(prefilling=True, decoding=False)
    assert share.prefill_next(prefilling=True, decoding=True)
