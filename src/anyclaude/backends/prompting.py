"""The prompt chain at work: run it for a request, and say what it did, in more words the higher the debug level.

A session sends the same system prompt and tools with every request, so the last results are kept: taking 70 KB of tools
apart again costs ten times what recognising them does.
"""

import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from anyclaude.backends.base import Journal
from anyclaude.config.debug import BASIC, TRACE
from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Options, Report
from anyclaude.prompt.smart import first_question
from anyclaude.prompt.stable import moved, with_preface
from anyclaude.wire.json import encode

_REMEMBERED: Final = 8
"""Results: a session's main agent, its side requests and a few kinds of subagents."""

log = logging.getLogger(__name__)


class _Result(NamedTuple):
    """asked: what the chain looked at, encoded. changes: what it puts in place of it.

    moved: the system prompt without what belongs to the session, and that; None where it stays where it is.
    """

    asked: bytes
    changes: Mapping[str, Any]
    report: Report
    moved: tuple[Any, str] | None


class Chain:
    """The prompt chain of one backend."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._results: deque[_Result] = deque(maxlen=_REMEMBERED)

    def optimised(self, request: Mapping[str, Any], journal: Journal) -> Mapping[str, Any]:
        """The request as the chain leaves it; the very same one where nothing has to change."""
        asked = encode([request.get("system"), request.get("tools"), self._question(request)])
        known = next((result for result in self._results if result.asked == asked), None)
        result = known or self._result(asked, request)
        journal.note("prompt", report=result.report)
        _say(result.report)
        changes = {**result.changes, **_moved(result.moved, request)}
        return {**request, **changes} if changes else request

    def _question(self, request: Mapping[str, Any]) -> str:
        """Of the conversation only the smart prompt reads something."""
        return first_question(request.get("messages")) if self._options.smart else ""

    def _result(self, asked: bytes, request: Mapping[str, Any]) -> _Result:
        done = optimise(request, self._options)
        changes = {key: value for key, value in done.request.items() if value is not request.get(key)}
        own = moved(done.request.get("system")) if self._options.stable else None
        result = _Result(asked, changes, done.report, own)
        self._results.appendleft(result)
        return result


def _moved(own: tuple[Any, str] | None, request: Mapping[str, Any]) -> dict[str, Any]:
    """System prompt and messages, where what belongs to the session moves from one to the others."""
    if own is None or (messages := with_preface(request["messages"], own[1])) is None:
        return {}
    return {"system": own[0], "messages": messages}


def _say(report: Report) -> None:
    """1: what was done. 2: what the result was checked for. 3: what was left out and shortened."""
    level = BASIC if report.changed else logging.DEBUG
    if log.isEnabledFor(level):
        log.log(level, "prompt: %s", _line(report))
    for note in report.notes:
        log.log(BASIC, "prompt: %s", note)
    if log.isEnabledFor(logging.DEBUG):
        log.debug("prompt: %d critical patterns present, missing: %s", len(report.present), list(report.missing))
    if log.isEnabledFor(TRACE):
        gone, shorter, tools = map(list, (report.removed, report.shortened, report.tools_left_out))
        log.log(TRACE, "prompt: left out sections %s, shortened %s, left out tools %s", gone, shorter, tools)


def _line(report: Report) -> str:
    tier = f" {report.tier}" if report.tier else ""
    before, after = report.system_tokens_before, report.system_tokens_after
    saved = 100 * (before - after) / before if before else 0.0
    return (
        f"{report.stage}{tier}, system {before} -> {after} tokens ({saved:.1f}% less), "
        f"tools {report.tool_tokens_before} -> {report.tool_tokens_after} tokens"
    )
