"""The measurements. In a round every target is measured once; in the request loop they take turns by the request.

CPU a chunk is what a long answer costs more than a tiny one, by their difference in chunks: what a request
costs by itself drops out.
"""

import statistics
import sys
import time
from dataclasses import dataclass, field

from answers import MARKER, Kind, Plan
from exchange import Answer, ask, ask_at_once
from failure import BenchError
from targets import Stage, Target
from verify import check_answer

_MARKER = MARKER.encode()
_TINY = Plan()
_WARM_UP = 10


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is asked: of each target in each round, `answers` long answers of `chunks` each, and so on."""

    rounds: int
    requests: int
    answers: int
    chunks: int
    burst: int
    streams: int


@dataclass(slots=True)
class Figures:
    """Of one target, one value a round, but `added_ms` and `stream_errors`, which have all."""

    request_cpu_ms: list[float] = field(default_factory=list)
    text_chunk_us: list[float] = field(default_factory=list)
    tool_chunk_us: list[float] = field(default_factory=list)
    paced_chunk_us: list[float] = field(default_factory=list)
    added_ms: list[float] = field(default_factory=list)
    streams_s: list[float] = field(default_factory=list)
    streams_first_ms: list[float] = field(default_factory=list)
    streams_last_first_ms: list[float] = field(default_factory=list)
    streams_unfairness: list[float] = field(default_factory=list)
    stream_errors: list[str] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)


class Bench:
    def __init__(self, stage: Stage, counts: Counts) -> None:
        self._stage = stage
        self._counts = counts
        self.figures = {target.name: Figures(rss_mb=[target.child.rss_mb()]) for target in stage.measured}

    def run(self) -> None:
        """Verify and warm up every target, then measure in rounds. Raises BenchError."""
        for plan in (_TINY, self._long("text"), self._long("tool"), self._paced()):
            self._verify(plan)
        self._ask_in_turn(_WARM_UP)
        for turn in range(self._counts.rounds):
            print(f"round {turn + 1} of {self._counts.rounds}", file=sys.stderr)
            self._round(turn)
        for target in self._stage.measured:
            self.figures[target.name].rss_mb.append(target.child.rss_mb())

    def _round(self, turn: int) -> None:
        """One value of everything. Who comes first changes from round to round."""
        self._requests()
        measured = self._stage.measured
        shift = turn % len(measured)
        for target in measured[shift:] + measured[:shift]:
            figures = self.figures[target.name]
            figures.text_chunk_us.append(self._chunk_us(target, self._long("text"), self._counts.answers))
            figures.tool_chunk_us.append(self._chunk_us(target, self._long("tool"), self._counts.answers))
            figures.paced_chunk_us.append(self._chunk_us(target, self._paced(), 1))
            self._at_once(target, figures)

    def _long(self, kind: Kind) -> Plan:
        return Plan(kind, self._counts.chunks, self._counts.burst)

    def _paced(self) -> Plan:
        return Plan(chunks=min(self._counts.chunks, 300), burst=1, pause_ms=2.0)

    def _set(self, plan: Plan) -> None:
        self._stage.set_plan(plan.query())

    def _verify(self, plan: Plan) -> None:
        self._set(plan)
        for target in self._stage.measured:
            with target.address.connect() as link:
                check_answer(target.name, plan, ask(link, target.address.wire, _MARKER))

    def _requests(self) -> None:
        before = {target.name: target.child.cpu_seconds() for target in self._stage.measured}
        samples = self._ask_in_turn(self._counts.requests)
        plain = statistics.median(samples[self._stage.direct.name])
        for target in self._stage.measured:
            figures = self.figures[target.name]
            spent = target.child.cpu_seconds() - before[target.name]
            figures.request_cpu_ms.append(spent * 1e3 / self._counts.requests)
            figures.added_ms += [(sample - plain) * 1e3 for sample in samples[target.name]]

    def _ask_in_turn(self, count: int) -> dict[str, list[float]]:
        """Tiny answers, a request to each target by turns: the times to the first content, in seconds."""
        self._set(_TINY)
        targets = (self._stage.direct, *self._stage.measured)
        links = {target.name: target.address.connect() for target in targets}
        samples: dict[str, list[float]] = {target.name: [] for target in targets}
        for _ in range(count):
            for target in targets:
                answer = ask(links[target.name], target.address.wire, _MARKER)
                samples[target.name].append(_first_content(target, answer))
        for link in links.values():
            link.close()
        return samples

    def _chunk_us(self, target: Target, plan: Plan, answers: int) -> float:
        more = self._cpu_of(target, plan, answers) - self._cpu_of(target, _TINY, answers)
        return more * 1e6 / (answers * (plan.chunks - _TINY.chunks))

    def _cpu_of(self, target: Target, plan: Plan, answers: int) -> float:
        """CPU seconds that the target spends on so many answers, one after the other."""
        self._set(plan)
        before = target.child.cpu_seconds()
        with target.address.connect() as link:
            for _ in range(answers):
                ask(link, target.address.wire, _MARKER)
        return target.child.cpu_seconds() - before

    def _at_once(self, target: Target, figures: Figures) -> None:
        self._set(Plan(chunks=100, burst=2, pause_ms=5.0))
        began = time.perf_counter()
        answers, errors = ask_at_once(target.address, self._counts.streams, _MARKER)
        figures.stream_errors += errors
        if not answers:
            raise BenchError(f"{target.name} answered none of {self._counts.streams} streams: {errors[0]}")
        firsts = [_first_content(target, answer) * 1e3 for answer in answers]
        took = [answer.took for answer in answers]
        figures.streams_s.append(time.perf_counter() - began)
        figures.streams_first_ms.append(statistics.median(firsts))
        figures.streams_last_first_ms.append(max(firsts))
        figures.streams_unfairness.append(max(took) / statistics.median(took))


def _first_content(target: Target, answer: Answer) -> float:
    if answer.first_content is None:
        raise BenchError(f"{target.name} gave an answer without the first token of the upstream's")
    return answer.first_content
