"""One answer at a time: quantised states and a draft model, on real engines. What is kept and found again, cancelled,
written to disk; and what is said, beside what the same model says without."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import mlx.core as mx
import pytest

from mlx_worker.engine import Drafted
from mlx_worker.errors import ModelLoadError
from mlx_worker.events import Event, Finished, Logprobs, TextPiece, ToolArguments
from mlx_worker.generation import AnswerShape, Conversation, Generation, Sampling
from mlx_worker.jobs import Job, Limits
from mlx_worker.mlx_engine import MlxRunner, load_model, made_runner
from mlx_worker.mlx_solo import SoloRunner, load_as_set
from mlx_worker.prompts import build_prompt
from mlx_worker.turns import Turns
from tests.support import tiny_model
from tests.support.filler import filler
from tests.support.tiny_model import ANSWERS, WEATHER_TOOL
from tests.support.worker import DEADLINE, Worker, real_worker

SYSTEM = {"role": "system", "content": filler(1500, "system")}
QUESTION = {"role": "user", "content": filler(300, "question")}
ASKED = [SYSTEM, QUESTION]
FOLLOW_UP = [*ASKED, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": "Go on."}]
HI = [{"role": "user", "content": "hi"}]
ARGUMENTS = {
    "type": "object",
    "properties": {"line": {"type": "integer", "minimum": -3, "maximum": 117}, "ok": {"type": "boolean"}},
    "required": ["line", "ok"],
    "additionalProperties": False,
}
TOOL = {"type": "function", "function": {"name": "f", "parameters": ARGUMENTS}}


@pytest.fixture(scope="module", params=["kv 8", "hybrid kv 4", "draft", "draft kv 8"])
def way(request: pytest.FixtureRequest) -> tuple[Path, dict[str, Any]]:
    """A model and the limits that it runs under. The draft is one that is right here and there."""
    of: dict[str, Any] = {}
    if "kv" in request.param:
        of["kv_bits"] = int(request.param[-1])
    if "draft" in request.param:
        of["draft_model"] = request.getfixturevalue("shallow_model")
    return request.getfixturevalue("wide_hybrid_model" if "hybrid" in request.param else "wide_model"), of


@pytest.fixture(scope="module")
def shallow_model(wide_model: Path, models_folder: Path) -> Path:
    """The wide model with its last layers left away."""
    folder = models_folder / "shallow"
    tiny_model.build_shallow(wide_model, folder, layers=2)
    return folder


@pytest.fixture(scope="module")
def worker(way: tuple[Path, dict[str, Any]]) -> Iterator[Worker]:
    folder, limits = way
    with real_worker(folder, **limits) as worker:
        yield worker


def computed(answer: Any) -> int:
    usage = answer["usage"]
    return int(usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"])


def fresh(label: str) -> list[dict[str, str]]:
    """A conversation that no other test has had."""
    return [SYSTEM | {"content": f"{label}: {SYSTEM['content']}"}, QUESTION]


class TestStates:
    def test_one_answer_is_decoded_at_a_time(self, way: tuple[Path, dict[str, Any]]) -> None:
        assert Limits(max_batch=8, **way[1]).max_batch == 1

    def test_an_exact_repeat_hits_and_says_the_same(self, worker: Worker) -> None:
        first, second = (worker.ask(fresh("repeat"), max_tokens=24) for _ in range(2))
        assert computed(first) == first["usage"]["prompt_tokens"]
        assert computed(second) < 16
        assert first["choices"] == second["choices"]

    def test_the_next_turn_computes_only_what_is_new(self, worker: Worker) -> None:
        asked = fresh("turn")
        total = 0
        for step in range(4):
            answer = worker.ask(asked, max_tokens=16)
            if step:
                assert computed(answer) <= answer["usage"]["prompt_tokens"] - total + 16
            total = answer["usage"]["prompt_tokens"]
            asked = [*asked, {"role": "assistant", "content": "Yes."}, {"role": "user", "content": f"Go on {step}."}]

    def test_a_hit_changes_no_answer(self, worker: Worker) -> None:
        asked = [fresh("same")[0], {"role": "user", "content": "What now?"}]
        cold = worker.ask(asked, max_tokens=16)
        worker.ask([asked[0], QUESTION], max_tokens=16)
        warm = worker.ask(asked, max_tokens=16)
        assert computed(warm) < computed(cold)
        assert warm["choices"] == cold["choices"]

    def test_a_client_that_leaves_amid_its_answer(self, worker: Worker) -> None:
        """Amid the tokens that a draft model proposed at once, too."""
        asked = fresh("leaving")
        for steps in (2, 3, 5):
            worker.engine.steps = threading.Semaphore(steps)
            taken = worker.engine.steps_taken + steps
            worker.engine.cancelled.clear()
            body = {"messages": asked, "stream": True, "temperature": 0, "max_tokens": 200}
            with worker.client() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
                lines = answer.iter_lines()  # while it is held, the connection is open
                next(line for line in lines if ": prefill" in line)
                worker.until(lambda status, taken=taken: worker.engine.steps_taken == taken)  # type: ignore[misc]
            assert worker.engine.cancelled.wait(DEADLINE)
            worker.engine.steps.release(1)
            worker.until(lambda status: status.active == 0)
        worker.engine.steps = None
        retried, again = (worker.ask(asked, max_tokens=16) for _ in range(2))
        assert computed(retried) < 16
        assert retried["choices"] == again["choices"]

    def test_a_restarted_worker_goes_on_where_it_was(self, way: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
        folder, limits = way
        disk: dict[str, Any] = {"disk_cache_dir": tmp_path, "disk_cache_bytes": 1 << 30}
        with real_worker(folder, **limits, **disk) as worker:
            cold = computed(worker.ask(ASKED, max_tokens=8))
        with real_worker(folder, **limits) as worker:
            without = worker.ask(FOLLOW_UP, max_tokens=16)
        with real_worker(folder, **limits, **disk) as worker:
            found = worker.ask(FOLLOW_UP, max_tokens=16)
        assert computed(found) < computed(without) - cold // 2
        assert found["choices"] == without["choices"]


def test_a_quantised_state_is_smaller(wide_model: Path) -> None:
    sizes = {}
    for bits in (0, 8, 4):
        runner = load_as_set(wide_model, Limits(kv_bits=bits))
        kv = runner.new_kv()
        assert runner.nbytes(kv) == 0
        runner.prefill(kv, list(range(256)))
        sizes[bits] = runner.nbytes(runner.fork(kv, 128))
        assert sizes[bits] == runner.nbytes(kv) / 2
        runner.close()
    assert sizes[4] < sizes[8] < sizes[0] / 3


# -- what is said -------------------------------------------------------------------------------------------------


def heard(runner: MlxRunner, *requests: Generation) -> list[list[Event]]:
    turns = Turns(runner, Limits())
    events: list[list[Event]] = [[] for _ in requests]
    for i, request in enumerate(requests):
        turns.add(Job(request, events[i].append, i))
    while not turns.idle:
        turns.turn()
    return events


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextPiece))


def call_of(events: list[Event]) -> str:
    return "".join(event.json for event in events if isinstance(event, ToolArguments))


def logprobs_of(events: list[Event]) -> list[Any]:
    return [one for event in events if isinstance(event, Logprobs) for one in event.tokens]


def end_of(events: list[Event]) -> Finished:
    assert isinstance(events[-1], Finished), events[-1]
    return events[-1]


def asked(runner: MlxRunner, question: str, **fields: Any) -> Generation:
    tools = fields.get("tools", ())
    prompt = build_prompt(runner.chat, Conversation([{"role": "user", "content": question}], tools))
    return Generation(prompt, **{"max_tokens": 60, "sampling": Sampling(temperature=0), **fields})


def forced(runner: MlxRunner, temperature: float) -> Generation:
    """A call of TOOL, with thinking closed: a model of random weights would never end it."""
    request = asked(runner, "hi", tools=[TOOL], shape=AnswerShape(must_call=True, parallel=False), max_tokens=400)
    closed = replace(request.prompt, tokens=(*request.prompt.tokens, *runner.chat.encode("<think>\n\n</think>\n\n")))
    return replace(request, prompt=closed, sampling=Sampling(temperature=temperature))


@pytest.fixture(scope="module")
def plain(trained_model: Path) -> MlxRunner:
    return load_as_set(trained_model, Limits())


@pytest.fixture(scope="module", params=["kv 8", "kv 4", "good draft", "bad draft", "good draft kv 8"])
def other(request: pytest.FixtureRequest, trained_model: Path, attention_model: Path) -> MlxRunner:
    bits = int(request.param[-1]) if "kv" in request.param else 0
    draft = {"good": trained_model, "bad": attention_model}.get(request.param.split()[0])
    return load_as_set(trained_model, Limits(kv_bits=bits, draft_model=draft))


@pytest.mark.parametrize("question", [question for question, _ in ANSWERS])
def test_the_trained_model_says_what_it_says(plain: MlxRunner, other: MlxRunner, question: str) -> None:
    for tools in ((), (WEATHER_TOOL,)):
        same, said = (heard(one, asked(one, question, tools=tools))[0] for one in (plain, other))
        assert (text_of(said), call_of(said), end_of(said)) == (text_of(same), call_of(same), end_of(same))


@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 5, 6, 7])
def test_an_answer_is_as_long_as_it_may_be(other: MlxRunner, tokens: int) -> None:
    (events,) = heard(other, asked(other, "hi", max_tokens=tokens))
    assert (end_of(events).completion_tokens, end_of(events).reason) == (tokens, "length")


def test_log_probabilities_are_of_the_tokens_that_were_said(plain: MlxRunner, other: MlxRunner) -> None:
    same, said = (logprobs_of(heard(one, asked(one, "hi", logprobs=2))[0]) for one in (plain, other))
    assert [one.text for one in said] == [one.text for one in same]
    for one, like in zip(said, same, strict=True):
        assert one.logprob == pytest.approx(like.logprob, abs=0.5)
        assert len(one.top) == 2


@pytest.fixture(scope="module")
def wide(wide_model: Path) -> MlxRunner:
    return load_as_set(wide_model, Limits())


@pytest.fixture(scope="module")
def alone(wide_model: Path) -> MlxRunner:
    """As the wide one, but for decoding one answer at a time."""
    return made_runner(wide_model, *load_model(wide_model), make=SoloRunner)


@pytest.fixture(scope="module")
def drafted(wide_model: Path, shallow_model: Path) -> MlxRunner:
    return load_as_set(wide_model, Limits(draft_model=shallow_model))


@pytest.mark.parametrize("drafts", [False, True])
def test_penalties_know_the_prompt(plain: MlxRunner, trained_model: Path, drafts: bool) -> None:
    """Its last words but one are what ends a message, which is now the last thing that the model says."""
    other = load_as_set(trained_model, Limits(draft_model=trained_model))
    if not drafts:
        other = made_runner(trained_model, *load_model(trained_model), make=SoloRunner)
    never_again = Sampling(temperature=0, repetition_penalty=100)
    same, said = (heard(one, asked(one, "hi", sampling=never_again))[0] for one in (plain, other))
    assert end_of(same).completion_tokens > 30
    assert text_of(said) == text_of(same)


class TestWideModels:
    """On random weights, where nothing is likely, so that drafts are mostly wrong and grammars bind."""

    @pytest.mark.parametrize(
        "sampling",
        [
            Sampling(temperature=0),
            Sampling(temperature=1.2, seed=11),
            Sampling(temperature=0, repetition_penalty=1.3, presence_penalty=0.5, logit_bias=((5, 4.0),)),
        ],
        ids=["greedy", "seeded", "penalties"],
    )
    def test_the_same_is_said_in_any_way(
        self, wide: MlxRunner, alone: MlxRunner, drafted: MlxRunner, sampling: Sampling
    ) -> None:
        for question in ("hi", "what now?", filler(400, "long")):
            ways = (wide, alone, drafted)
            assert len({text_of(heard(one, asked(one, question, sampling=sampling))[0]) for one in ways}) == 1

    def test_calls_are_held_to_their_grammar(self, wide_model: Path, shallow_model: Path) -> None:
        for limits in (Limits(draft_model=shallow_model), Limits(kv_bits=8), Limits(kv_bits=4, draft_model=wide_model)):
            runner = load_as_set(wide_model, limits)
            for temperature in (0.0, 1.0, 1.0, 1.0):
                (events,) = heard(runner, forced(runner, temperature))
                jsonschema.validate(json.loads(call_of(events)), ARGUMENTS)
                assert (text_of(events), end_of(events).reason) == ("", "tool_calls")

    def test_a_held_call_comes_while_it_is_written(self, drafted: MlxRunner) -> None:
        (events,) = heard(drafted, forced(drafted, 0.0))
        assert sum(isinstance(event, ToolArguments) for event in events) > 3


@pytest.fixture(scope="module", params=["itself", "shallow"])
def helped(request: pytest.FixtureRequest, trained_model: Path, drafted: MlxRunner) -> MlxRunner:
    """By a draft that is always right, and by one that hardly is."""
    return drafted if request.param == "shallow" else load_as_set(trained_model, Limits(draft_model=trained_model))


@pytest.mark.parametrize("tokens", range(1, 9))
@pytest.mark.parametrize("ended", [False, True], ids=["dropped", "ended"])
def test_what_is_left_of_an_answer_is_what_was_said(helped: MlxRunner, tokens: int, ended: bool) -> None:
    """Not what was proposed, and the same in both models' layers as if it had been computed at once."""
    request = asked(helped, "hi", max_tokens=tokens if ended else 100)
    prompt = request.prompt.tokens
    kv = helped.new_kv()
    helped.prefill(kv, prompt[:-1])
    uid = helped.start(kv, request)
    steps = [step for _ in range(tokens) for step in helped.step()]
    left, known = (steps[-1].kv, steps[-1].tokens) if ended else helped.drop(uid)
    assert len(prompt) + tokens - len(known) in (1, 2, 3)
    assert tuple(known[: len(prompt)]) == prompt[: len(known)]
    again = helped.new_kv()
    helped.prefill(again, known)
    assert [layer.offset for layer in left] == [len(known)] * len(again)
    for one, other in zip(left, again, strict=True):
        for part, like in zip(one.keys_and_values(), other.keys_and_values(), strict=True):
            assert mx.allclose(part, like, atol=1e-3)


def test_what_the_draft_was_good_for_is_told(trained_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    runner = load_as_set(trained_model, Limits(draft_model=trained_model))
    assert "one answer is decoded at a time, with the draft model trained" in caplog.text
    assert runner.drafted == Drafted(0, 0)
    heard(runner, asked(runner, "hi"))
    assert runner.drafted is not None
    assert runner.drafted.proposed >= runner.drafted.taken > 10
    assert load_as_set(trained_model, Limits(kv_bits=8)).drafted is None


def test_a_failed_step_leaves_nothing_behind(trained_model: Path) -> None:
    runner = load_as_set(trained_model, Limits(draft_model=trained_model))
    turns, events = Turns(runner, Limits()), list[Event]()
    turns.add(Job(asked(runner, "hi"), events.append, 0))
    turns.turn()
    runner._generator.next = lambda: 1 / 0
    while not turns.idle:
        turns.turn()
    assert turns.figures.failed == 1
    assert text_of(heard(runner, asked(runner, "hi"))[0]) == ANSWERS[0][1]["content"]


# -- what is refused ----------------------------------------------------------------------------------------------


def test_a_model_whose_state_cannot_be_quantised(attention_model: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"MLX_KV_BITS=8 does not work with this model .*; set it to 0"):
        load_as_set(attention_model, Limits(kv_bits=8))


def test_a_draft_with_another_vocabulary(attention_model: Path, models_folder: Path) -> None:
    other = tiny_model.build(models_folder / "mistral-draft", calls="mistral").folder
    with pytest.raises(ModelLoadError, match="another vocabulary"):
        load_as_set(attention_model, Limits(draft_model=other))


@pytest.mark.parametrize("which", ["model", "draft"])
def test_a_draft_needs_states_that_can_be_cut(attention_model: Path, window_model: Path, which: str) -> None:
    model, draft = (window_model, attention_model) if which == "model" else (attention_model, window_model)
    with pytest.raises(ModelLoadError, match="MLX_DRAFT_MODEL needs models of plain attention"):
        load_as_set(model, Limits(draft_model=draft))


def test_a_draft_that_is_no_model(attention_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"the draft model .* has no config\.json"):
        load_as_set(attention_model, Limits(draft_model=tmp_path))


def test_a_state_of_another_way_is_another_state(trained_model: Path, attention_model: Path) -> None:
    drafts = [Limits(draft_model=attention_model), Limits(kv_bits=8, draft_model=trained_model)]
    ways = [Limits(), Limits(kv_bits=8), Limits(kv_bits=4), Limits(draft_model=trained_model), *drafts]
    assert len({load_as_set(trained_model, way).fingerprint for way in ways}) == len(ways)
    assert isinstance(load_as_set(trained_model, ways[1]), SoloRunner)
