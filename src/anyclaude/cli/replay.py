"""`anyclaude trace replay`: a recorded request asked again, of any backend, in this process.

It goes the way of a launch (settings, router, prompt chain, deadlines), but nothing listens and no tool runs.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

from rich.console import Console

from anyclaude.backends.base import Caller, RawRequest
from anyclaude.backends.registry import open_router
from anyclaude.backends.router import Router
from anyclaude.cli.logs import keep_quiet
from anyclaude.cli.output import say
from anyclaude.cli.replay_screen import Screen, show_whole, table
from anyclaude.config.model import Models, Settings
from anyclaude.convert.message import MessageWriter
from anyclaude.convert.validate import validate_request
from anyclaude.errors import AnyclaudeError, SetupError, UpstreamBroken
from anyclaude.trace.fold import Fold
from anyclaude.trace.replay import Timed, compare, headers_of, redacted_places, request_of
from anyclaude.trace.transcript import summary
from anyclaude.wire.events import Failed, ModelEvent, UsageReport
from anyclaude.wire.exit_codes import ExitCode
from anyclaude.wire.json import decode_lenient

_PLACES_SHOWN: Final = 5


class Notes:
    """A `Journal` that keeps what is worth telling."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []
        self._model = ""

    def note(self, kind: str, **facts: Any) -> None:
        self.kept.append({"kind": kind, **facts})

    def sent(self, body: Mapping[str, Any] | bytes) -> None:
        told = decode_lenient(body) if isinstance(body, bytes) else body
        self._model = str(told.get("model") or "") if isinstance(told, Mapping) else ""

    def mark(self, moment: str) -> None: ...

    @property
    def route(self) -> str:
        """Who answered: `backend:model`, as far as it is known."""
        route = next((str(note["to"]) for note in reversed(self.kept) if note["kind"] == "route"), "")
        return f"{route}:{self._model}" if route and self._model and ":" not in route else route


class Asking:
    """One request on its way to one answer.

    fold: the answer. cost: in US dollars, where the upstream says it. error: why the answer is not whole.
    """

    def __init__(self, settings: Settings, record: Mapping[str, Any], screen: Screen | None) -> None:
        self._settings = settings
        self._body = _checked(record, settings)
        self._screen = screen
        self._began = 0.0
        raw = RawRequest("POST", "/v1/messages", headers_of(record), b"")
        self.notes = Notes()
        self._caller = Caller(record.get("session"), record.get("agent"), self.notes, raw)
        self.fold = Fold()
        self.cost: float | None = None
        self.times = Timed(None, None)
        self.error: str | None = None

    @property
    def redacted(self) -> list[str]:
        """The places where the request is not what it was."""
        return list(redacted_places(self._body))

    @property
    def usage(self) -> dict[str, Any]:
        """Counts in the words of a record."""
        usage = dict(self.fold.message().get("usage") or {})
        return usage if self.cost is None else {**usage, "cost": self.cost}

    async def ask(self) -> None:
        """Ask, and listen to the end. Raises SetupError; an upstream's error is kept."""
        router = open_router(self._settings)
        try:
            await router.first_ready()
            self._began = time.monotonic()
            await self._listen(router)
        except SetupError:
            raise
        except AnyclaudeError as error:
            self.error = f"{self.notes.route or self._settings.mode}: {error.message}"
        finally:
            self.times = replace(self.times, total=self._since())
            await router.aclose()

    async def _listen(self, router: Router) -> None:
        writer = MessageWriter("msg_replay", str(self._body.get("model")))
        self.fold.feed([writer.start()])
        async with router.stream(self._body, self._caller) as batches:
            async for batch in batches:
                said = [event for event in batch if not isinstance(event, Failed)]
                self._take(said, writer)
                if batch and isinstance(last := batch[-1], Failed):
                    raise last.error
        if not writer.over:
            raise UpstreamBroken("the answer ended before it was complete")

    def _take(self, events: Sequence[ModelEvent], writer: MessageWriter) -> None:
        for event in events:
            if isinstance(event, UsageReport):
                self.cost = event.cost
            elif self.times.first_token is None:
                self.times = Timed(self._since(), None)
        self.fold.feed(writer.feed(events))
        if self._screen is not None:
            self._screen.show(events)

    def _since(self) -> float:
        return round((time.monotonic() - self._began) * 1000, 1)


def replay(given: argparse.Namespace, record: dict[str, Any], settings: Settings, console: Console) -> int:
    """Ask again, show the answer and what differs; the exit code.

    Raises SetupError when this cannot be asked, and KeyboardInterrupt once the upstream is closed.
    """
    keep_quiet()
    if given.model:
        settings = settings.model_copy(update={"models": Models()})  # a named model is asked, whatever the tiers say
    screen = Screen(console) if given.stream and not given.json else None
    asking = Asking(settings, record, screen)
    if asking.redacted:
        say(_told(asking.redacted))
    try:
        asyncio.run(asking.ask())
    finally:
        if screen is not None:
            screen.end()
    if given.json:
        print(json.dumps(_as_json(record, asking), default=str))
    else:
        _report(given, record, asking, console)
    if asking.error is None:
        return ExitCode.DONE
    say(asking.error)
    return ExitCode.NO


def _checked(record: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The request to send. Raises SetupError where a launch would have seen to something that a replay does not."""
    body = request_of(record)
    if settings.mode == "claude" and settings.backends.claude.api_key is None:
        raise SetupError("asking Claude again needs a key: set ANTHROPIC_API_KEY or backends.claude.apiKey")
    if settings.mode == "mlx-cluster" and settings.backends.mlx_cluster.is_empty:
        raise SetupError("a replay starts no worker: start one, and set MLX_CLUSTER_NODES")
    if settings.mode != "claude":
        try:
            validate_request(body)
        except AnyclaudeError as error:
            raise SetupError(f"the recorded request is not valid: {error.message}") from error
    return body


def _told(places: Sequence[str]) -> str:
    more = f" and {len(places) - _PLACES_SHOWN} more" if len(places) > _PLACES_SHOWN else ""
    shown = ", ".join(places[:_PLACES_SHOWN])
    return f"the request is sent without the secrets that were taken out of its trace: {shown}{more}"


def _as_json(record: Mapping[str, Any], asking: Asking) -> dict[str, Any]:
    rows = compare(record, asking.fold.message(), asking.usage, asking.times)
    return {
        "trace": record.get("id"),
        "route": asking.notes.route,
        "redacted": asking.redacted,
        "answer": asking.fold.message(),
        "usage": asking.usage,
        "timings_ms": {"first_token": asking.times.first_token, "end": asking.times.total},
        "compared": [asdict(row) for row in rows],
        "notes": asking.notes.kept,
        "error": asking.error,
    }


def _report(given: argparse.Namespace, record: Mapping[str, Any], asking: Asking, console: Console) -> None:
    if not given.stream:
        show_whole(asking.fold.message(), console)
    rows = compare(record, asking.fold.message(), asking.usage, asking.times)
    console.print()
    console.print(table(rows, asking.notes.route, summary(record).model))
