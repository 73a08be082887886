"""What is counted on the way of a request, and in which words an error may be told."""

from collections.abc import Callable
from typing import Any

import pytest

from anyclaude.server.counting import TOKENS, CountingRecording
from anyclaude.server.failings import failing_of
from anyclaude.server.figures import NOBODY, SECONDS, Figures, Times
from anyclaude.trace.record import NoRecording, Recorder
from anyclaude.trace.redact import Redactor
from tests.support.journal import Notes

SECRET = "a-secret-of-this-test"


class Kept(NoRecording):
    """Recorders that keep their notes."""

    def __init__(self) -> None:
        self.journals: list[Notes] = []

    def begin(self, *_: Any) -> Recorder:
        kept = NoRecording().begin("", "", {}, {})
        journal = Notes()
        self.journals.append(journal)
        kept.note = journal.note  # type: ignore[method-assign]
        return kept


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def figures(clock: Clock) -> Figures:
    return Figures(Redactor([SECRET]), clock)


@pytest.fixture
def begin(figures: Figures) -> Callable[..., Recorder]:
    recording = CountingRecording(NoRecording(), figures)
    return lambda stream=True: recording.begin("r", "/v1/messages", {}, {"stream": stream})


def test_a_request_from_its_beginning_to_its_end(
    figures: Figures, clock: Clock, begin: Callable[..., Recorder]
) -> None:
    one = begin()
    other = begin(stream=False)
    assert (figures.streams, figures.wholes) == (1, 1)
    one.note("route", to="mlx-cluster", reason="main")
    one.note("route", to="mlx-cluster:mini", reason="fits")
    clock.now += 0.7
    one.mark("accepted")
    one.mark("first_event")
    one.note("usage", prompt_tokens=100, cached_tokens=90, output_tokens=5, cost=None)
    one.finish(200, "complete")
    other.finish(499, "left")
    assert (figures.streams, figures.wholes) == (0, 0)
    of = figures.by_backend["mlx-cluster"]
    assert of.outcomes == {"complete": 1, "error": 0, "left": 0}
    assert (of.prompt_tokens, of.cached_tokens, of.output_tokens) == (100, 90, 5)
    assert of.first_event.count == 1
    assert of.first_event.mean == pytest.approx(0.7)
    assert figures.by_backend[NOBODY].outcomes["left"] == 1


@pytest.mark.parametrize(
    ("routes", "failed", "retries", "fallbacks"),
    [
        (["mlx-cluster", "mlx-cluster:mini"], "mini", 1, 0),
        (["mlx-cluster", "mlx-cluster:lmstudio"], "lmstudio", 1, 0),  # a node may be called so
        (["mlx-cluster", "mlx-cluster:mini"], "mlx-cluster", 0, 1),
        (["lmstudio"], "lmstudio", 0, 1),
        (["lmstudio:qwen"], "lmstudio:qwen", 0, 1),
    ],
)
def test_another_node_is_told_from_another_backend(
    routes: list[str],
    failed: str,
    retries: int,
    fallbacks: int,
    figures: Figures,
    begin: Callable[..., Recorder],
) -> None:
    one = begin()
    for to in routes:
        one.note("route", to=to, reason="main")
    one.note("fallback", failed=failed, status=503, error="full")
    of = figures.by_backend[routes[0].partition(":")[0]]
    assert (of.retries, of.fallbacks) == (retries, fallbacks)


def test_a_request_counts_where_it_was_answered(figures: Figures, begin: Callable[..., Recorder]) -> None:
    one = begin()
    one.note("route", to="lmstudio:qwen", reason="main")
    one.note("fallback", failed="lmstudio:qwen", status=502, error="gone")
    one.note("route", to="openrouter", reason="lmstudio:qwen did not answer")
    one.note("queue", seconds=1.5, waiting=2)
    one.finish(200, "complete")
    assert figures.by_backend["lmstudio"].fallbacks == 1
    assert figures.by_backend["openrouter"].outcomes["complete"] == 1
    assert (figures.by_backend["openrouter"].waits, figures.by_backend["openrouter"].waited) == (1, 1.5)


def test_names_that_no_backend_has_are_not_told_apart(figures: Figures, begin: Callable[..., Recorder]) -> None:
    for number in range(100):
        one = begin()
        one.note("route", to=f"backend-{number}", reason="main")
        one.finish(200, "complete")
    assert list(figures.by_backend) == [NOBODY]
    assert figures.told()[NOBODY].outcomes["complete"] == 100


def test_nothing_is_told_of_nobody_before_there_is_something(figures: Figures) -> None:
    assert figures.told() == {}


def test_the_recorder_behind_hears_all_but_the_counts_of_a_relayed_answer(figures: Figures) -> None:
    kept = Kept()
    one = CountingRecording(kept, figures).begin("r", "/", {}, {"stream": True})
    one.note("route", to="claude", reason="main")
    one.note("warning", text="odd")
    one.note(TOKENS, prompt_tokens=10, cached_tokens="many", output_tokens=-1)
    assert [kind for kind, _ in kept.journals[0].notes] == ["route", "warning"]
    of = figures.by_backend["claude"]
    assert (of.prompt_tokens, of.cached_tokens, of.output_tokens) == (10, 0, 0)


@pytest.mark.parametrize(("seconds", "place"), [(0.0, 0), (0.05, 0), (0.051, 1), (600.0, 12), (601.0, 13)])
def test_times_are_sorted_by_their_upper_ends(seconds: float, place: int) -> None:
    times = Times()
    assert times.mean is None
    times.add(seconds)
    assert times.counts == [int(at == place) for at in range(len(SECONDS) + 1)]


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (502, "nothing answers at http://a:1; start the model server", "nothing answers at http://a:1"),
        (502, "the model server said: my prompt", "the model server is not reached"),
        (529, "the model server said: my prompt", "nobody had room"),
        (400, "messages.0.content: 'my prompt' is no block", "the request was refused"),
        (500, "my prompt", "a fault of our own"),
        (200, "Claude said: my prompt", "the answer broke off"),
        (200, "the connection broke", "the connection broke"),
        (418, "my prompt", "the request failed"),
        (504, f"no answer at http://a?key={SECRET}", "no answer at http://a?key=[redacted]"),
        (504, "", "the model server kept silent"),
    ],
)
def test_the_words_of_an_error(status: int, message: str, told: str) -> None:
    failing = failing_of(1.0, "lmstudio", status, message, Redactor([SECRET]))
    assert failing.error.startswith(told)
    assert "my prompt" not in failing.error
    assert SECRET not in failing.error
    assert len(failing_of(1.0, "lmstudio", 502, "x" * 5000, Redactor()).error) == 300


def test_repairs_and_kept_prefixes_are_counted() -> None:
    figures = Figures(Redactor([]))
    recorder = CountingRecording(NoRecording(), figures).begin("", "", {}, {"stream": True})
    recorder.note("route", to="lmstudio", reason="main")
    recorder.note("prefix", kept_bytes=100, before_bytes=100, cause=None, block=None)
    recorder.note("prefix", kept_bytes=10, before_bytes=150, cause="git status", block="message 0 (system)")
    recorder.note("repair", tool="Bash", what="closing brace")
    recorder.finish(200, "complete")
    of = figures.of("lmstudio")
    assert (of.prompts, of.kept_bytes, of.before_bytes, dict(of.broken)) == (2, 110, 250, {"git status": 1})
    assert of.repairs == 1
