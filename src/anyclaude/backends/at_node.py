"""One request under way at one node, and what the policies hear of it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from anyclaude.backends.base import Caller, EventBatches, Journal
from anyclaude.cluster.estimates import Sent
from anyclaude.cluster.member import Attempt, Member
from anyclaude.cluster.node import Answered
from anyclaude.cluster.places import full_for
from anyclaude.cluster.routing import Routing
from anyclaude.wire.events import Failed, Finished, ModelEvent, UsageReport


class AtNode:
    """Told of by `begun` once the node has something to say, and by `end`, which says how it went.

    reason: why this node was chosen. usage: the counts of the answer, once it is over. clock: seconds, only forward.
    changed: called when the node may have room for another one.
    """

    def __init__(
        self,
        routing: Routing,
        member: Member,
        attempt: Attempt,
        sent: Sent,
        reason: str,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.member = member
        self.reason = reason
        self._routing = routing
        self._attempt = attempt
        self._sent = sent
        self._clock = clock
        self._changed = changed
        self._first_token: float | None = None
        self.usage: UsageReport | None = None
        self._finished = False
        self._error: BaseException | None = None

    def heard_by(self, caller: Caller) -> Caller:
        """The caller, from whose journal it is heard that the node has let the request in."""
        return replace(caller, journal=_Heard(caller.journal, self._taken))

    def begun(self) -> None:
        now = self._clock()
        self._first_token = now - self._sent.at
        self.member.begun(self._attempt, now)
        self._routing.begun(self._sent, now)

    async def watched(self, batches: EventBatches) -> AsyncIterator[Sequence[ModelEvent]]:
        """The batches as they come."""
        async for batch in batches:
            if batch and isinstance(batch[-1], Finished | Failed):
                self._look(batch)
            yield batch

    def end(self, error: BaseException | None = None) -> None:
        """It is over, by an error before its first word, by what was watched, or because the client has left."""
        now = self._clock()
        error = error or self._error
        if error is None and not self._finished:
            error = asyncio.CancelledError()
        self.member.ended(self._attempt, error, now)
        if error is None:
            answered = self._answered()
            self._routing.answered(self._sent, answered, now)
            self.member.lately.answered(answered)
        else:
            self._not_answered(error, now)
            self.member.lately.ended(error, self._first_token)
        self._changed()

    def _not_answered(self, error: BaseException, now: float) -> None:
        seconds = full_for(error) if self._first_token is None else None
        if seconds is None:
            self._routing.failed(self._sent, now)
        else:
            self._routing.refused(self._sent, seconds, now)

    def _taken(self) -> None:
        self._routing.taken(self._sent)
        self._changed()

    def _look(self, batch: Sequence[ModelEvent]) -> None:
        self.usage = next((event for event in batch if isinstance(event, UsageReport)), None)
        last = batch[-1]
        if isinstance(last, Failed):
            self._error = last.error
        else:
            self._finished = True

    def _answered(self) -> Answered:
        usage, first_token = self.usage, self._first_token or 0.0
        if usage is None:
            return Answered(first_token, self._sent.ask.tokens)
        return Answered(first_token, usage.prompt_tokens, self._cached(usage), usage.output_tokens)

    def _cached(self, usage: UsageReport) -> int | None:
        """Of a node that is not our worker, 0 means most likely that it does not say."""
        report = self.member.report
        says = report is not None and report.instance is not None
        return usage.cached_tokens if says or usage.cached_tokens else None


class _Heard:
    """A journal that also tells when the upstream has accepted the request."""

    def __init__(self, journal: Journal, accepted: Callable[[], None]) -> None:
        self._journal = journal
        self._accepted = accepted

    def note(self, kind: str, **facts: Any) -> None:
        self._journal.note(kind, **facts)

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        self._journal.sent(body)

    def mark(self, moment: str) -> None:
        self._journal.mark(moment)
        if moment == "accepted":
            self._accepted()
