"""How a node is: what its probes and its answers say, made into one word that does not flap.

Two things decide whether a node is up. Probes: `fall` in a row that fail take it out, `rise` in a row bring it back, so
that one lost packet changes nothing. And what it says of itself, which holds at once: loading and draining are states
and no failures, a node that says it is dead or that serves something else than it should is out until `rise` honest
reports in a row. A node that never was up needs only one.

Requests that fail do not take a node out, that is the breaker's part. They make the next probe due at once and, with
many of them, the node degraded: still asked, after others. Time is seconds of a monotone clock and is passed in.
"""

from dataclasses import dataclass
from typing import Final, Literal

from anyclaude.cluster.breaker import Window, counts
from anyclaude.cluster.node import Report
from anyclaude.errors import Overloaded

Status = Literal["healthy", "degraded", "unhealthy", "draining", "loading"]

_LONGEST_REASON: Final = 200


@dataclass(frozen=True, slots=True)
class HealthRules:
    """Seconds, counts and shares.

    interval: between probes of a node that is settled. quick: between those of one that is in doubt. timeout: of a
    probe; after twice of it a probe is taken for lost. stale: a report older than so many intervals counts for less.
    worse, better: of at least `least` outcomes of the last `window` seconds, the share of failures at which a node gets
    degraded, and the one below which it no longer is; two of them, so that it does not flap.
    """

    interval: float = 2.0
    quick: float = 1.0
    timeout: float = 1.0
    rise: int = 2
    fall: int = 3
    stale: float = 3.0
    worse: float = 0.25
    better: float = 0.1
    least: int = 5
    window: float = 60.0


@dataclass(frozen=True, slots=True)
class Expected:
    """What a node must serve. None: what it says first holds from then on."""

    model: str | None = None
    context_length: int | None = None

    def lie(self, report: Report) -> str:
        """What is wrong with a report, with the next step; empty when nothing is. A wider window is nothing wrong."""
        if self.model is not None and report.model is not None and report.model != self.model:
            return (
                f"it serves the model {report.model[:100]!r} where {self.model!r} is expected: "
                "start it with that model, or take it out of the cluster"
            )
        if self.context_length and report.context_length and report.context_length < self.context_length:
            return (
                f"its context window is {report.context_length} tokens where {self.context_length} are expected: "
                "start it with that window, or configure a smaller one for the cluster"
            )
        return ""

    def learnt(self, report: Report) -> "Expected":
        return Expected(self.model or report.model, self.context_length or report.context_length)


class Health:
    """The health of one node.

    report, reported_at: the latest, and when it came. up: it can be reached and is what it should be. lies: it is not.
    """

    def __init__(self, rules: HealthRules | None = None, expected: Expected | None = None) -> None:
        self.rules = rules or HealthRules()
        self.expected = expected or Expected()
        self.report: Report | None = None
        self.reported_at = 0.0
        self.up = False
        self.ever_up = False
        self.lies = False
        self._why_down = "it was not asked yet"
        self._good = 0  # probes in a row
        self._bad = 0
        self._probes = Window(self.rules.window)
        self._requests = Window(self.rules.window)
        self._degraded = ""  # why
        self._probe_began: float | None = None
        self._probe_ended: float | None = None
        self._in_doubt = False

    # Probes

    def probe_at(self, now: float, soon: bool = False) -> float:
        """When the next probe is due. soon: a breaker waits for it."""
        if self._probe_began is not None:
            return self._probe_began + 2 * self.rules.timeout
        if self._probe_ended is None:
            return now
        quick = min(self.rules.quick, self.rules.interval)
        return self._probe_ended + (quick if soon or self._unsettled() else self.rules.interval)

    def probe_began(self, now: float) -> None:
        self._probe_began = now

    def probed(self, report: Report, now: float) -> bool:
        """The node answered a probe. Returns whether it was started anew since the one before."""
        restarted = self._restarted(report)
        self.report, self.reported_at = report, now
        self._end_probe(now)
        if restarted:
            self._requests.clear()
        lie = self.expected.lie(report)
        self.lies = bool(lie)
        if lie or report.state == "dead":
            self._out(lie or "it says that it is dead; its own log says why")
        else:
            self._well(report, now)
        return restarted

    def missed(self, error: str, now: float) -> None:
        """A probe failed. error: why, in a few words."""
        self._end_probe(now)
        self._probes.add(False, now)
        self._good = 0
        self._bad += 1
        if self._bad >= self.rules.fall or not self.ever_up:
            self._out(f"it does not answer: {error[:_LONGEST_REASON]}")

    # Requests

    def answered(self, now: float) -> None:
        """A request was answered whole."""
        self._requests.add(True, now)
        self.gave_sign()

    def gave_sign(self) -> None:
        """It sent content: it lives, however slow its probes are. That brings no node back, but a probe is due then."""
        self._bad = 0
        self._in_doubt = self._in_doubt or not self.up

    def failed(self, error: BaseException, now: float) -> None:
        """A request failed. What does not speak against the node is left out; a refusal for its state makes us look."""
        if counts(error):
            self._requests.add(False, now)
        self._in_doubt = self._in_doubt or counts(error) or isinstance(error, Overloaded)

    # What follows

    def status(self, now: float) -> Status:
        if not self.up or self.report is None:
            return "unhealthy"
        match self.report.state:
            case "loading" | "draining" as told:
                return told
        return "degraded" if self._why_degraded(now) else "healthy"

    def reason(self, now: float) -> str:
        """Why the node is not healthy, in one sentence; empty when it is."""
        match self.status(now):
            case "healthy":
                return ""
            case "unhealthy":
                return self._why_down
            case "degraded":
                return self._why_degraded(now)
            case told:
                return f"it says that it is {told}"

    def trust(self, now: float) -> float:
        """What the latest report counts for: 1 while it is fresh, then less with its age, 0 when there is none."""
        if self.report is None:
            return 0.0
        fresh = self.rules.stale * self.rules.interval
        age = now - self.reported_at
        return 1.0 if age <= fresh else fresh / age

    def _why_degraded(self, now: float) -> str:
        self._degraded = self._many_fail(now)
        if self._degraded or self.trust(now) == 1.0:
            return self._degraded
        return f"its last report is {now - self.reported_at:.0f} s old"

    def _many_fail(self, now: float) -> str:
        limit = self.rules.better if self._degraded else self.rules.worse
        for what, window in (("requests", self._requests), ("probes", self._probes)):
            share = window.share(self.rules.least, now)
            if share >= limit:
                return f"{share:.0%} of its last {what} failed"
        return ""

    def _unsettled(self) -> bool:
        """Another probe or two may change what the node is. Who loads a model may be ready at any moment."""
        if self.up and self.report is not None and self.report.state == "loading":
            return True
        return self._in_doubt or (0 < self._bad < self.rules.fall if self.up else self._good > 0)

    def _restarted(self, report: Report) -> bool:
        before = self.report.instance if self.report else None
        return before is not None and report.instance is not None and before != report.instance

    def _end_probe(self, now: float) -> None:
        self._probe_began, self._probe_ended = None, now
        self._in_doubt = False

    def _well(self, report: Report, now: float) -> None:
        if not self.ever_up:
            self._probes.clear()  # it was not there yet; of one that comes back they count, so that it is not overrun
        self._probes.add(True, now)
        self._bad = 0
        self._good += 1
        self.expected = self.expected.learnt(report)
        if self._good >= self.rules.rise or not self.ever_up:
            self.up = self.ever_up = True

    def _out(self, why: str) -> None:
        self.up = False
        self._good = 0
        self._why_down = why
