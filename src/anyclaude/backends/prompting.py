"""The prompt chain at work: run it for a request, and say what it did, in more words the higher the debug level."""

import logging
from collections.abc import Mapping
from typing import Any

from anyclaude.backends.base import Journal
from anyclaude.config.debug import BASIC, TRACE
from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Options, Report

log = logging.getLogger(__name__)


def optimised(request: Mapping[str, Any], options: Options, journal: Journal) -> Mapping[str, Any]:
    """The request as the chain leaves it."""
    result = optimise(request, options)
    journal.note("prompt", report=result.report)
    _say(result.report)
    return result.request


def _say(report: Report) -> None:
    """1: what was done. 2: what the result was checked for. 3: what was left out."""
    tier = f" {report.tier}" if report.tier else ""
    saved = _share(report.system_tokens_before, report.system_tokens_after)
    log.log(
        BASIC if report.changed else logging.DEBUG,
        "prompt: %s%s, system %d -> %d tokens (%.1f%% less), tools %d -> %d tokens",
        report.stage,
        tier,
        report.system_tokens_before,
        report.system_tokens_after,
        saved,
        report.tool_tokens_before,
        report.tool_tokens_after,
    )
    for note in report.notes:
        log.log(BASIC, "prompt: %s", note)
    log.debug("prompt: %d critical patterns present, missing: %s", len(report.present), list(report.missing))
    log.log(TRACE, "prompt: left out sections %s, tools %s", list(report.removed), list(report.tools_left_out))


def _share(before: int, after: int) -> float:
    return 100 * (before - after) / before if before else 0.0
