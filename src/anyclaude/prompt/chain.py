"""The chain itself: smart prompt, else safe filter, else truncation, else the prompt as it is; and the tools.

The first step that is on and keeps every critical part is the one; the others are not asked. Nothing but the system
prompt, the tools and the first user message is looked at, so the prompt stays the same while a conversation grows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from anyclaude.prompt import blocks, safe_filter, smart, tools, truncate
from anyclaude.prompt.options import FilterTier, Optimised, Options, Report, Stage
from anyclaude.prompt.sections import Section, joined, split
from anyclaude.prompt.tokens import estimate, estimate_json
from anyclaude.prompt.validation import Verdict, compare


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of the system prompt; texts by number, None where it stays as it is."""

    stage: Stage
    texts: Mapping[int, str] | None = None
    tier: FilterTier | None = None
    verdict: Verdict = field(default_factory=lambda: Verdict((), (), ()))
    removed: tuple[str, ...] = ()
    shortened: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def optimise(request: Mapping[str, Any], options: Options) -> Optimised:
    """The request with its system prompt and tools as the options ask. Never raises for a valid request.

    The very same request where nothing has to change. It is never larger than the given one.
    """
    offered, left_out = tools.allowed(request, options.allowed_tools)
    slimmed = tools.slim(offered, options.slim_tools)
    system = request.get("system")
    texts = blocks.texts(system)
    outcome = _system(request, texts, tools.names(offered), options)
    new = dict(enumerate(texts)) if outcome.texts is None else outcome.texts
    changes: dict[str, Any] = {}
    if new != dict(enumerate(texts)):
        changes["system"] = blocks.replaced(system, new)
    if slimmed is not request.get("tools"):
        changes["tools"] = slimmed
    tokens = estimate_json(request.get("tools"))
    report = Report(
        stage=outcome.stage,
        tier=outcome.tier,
        system_tokens_before=estimate("\n".join(texts)),
        system_tokens_after=estimate("\n".join(new.values())),
        tool_tokens_before=tokens,
        tool_tokens_after=estimate_json(slimmed) if "tools" in changes else tokens,
        present=outcome.verdict.present,
        missing=outcome.verdict.missing,
        removed=outcome.removed,
        shortened=outcome.shortened,
        tools_left_out=left_out,
        notes=outcome.notes,
    )
    return Optimised({**request, **changes} if changes else request, report)


def _system(request: Mapping[str, Any], texts: Sequence[str], names: Sequence[str], options: Options) -> _Outcome:
    if not any(texts) or truncate.is_truncated(texts):
        return _Outcome("passthrough")
    notes: tuple[str, ...] = ()
    if options.smart:
        outcome = _smart(request, texts, names)
        if outcome.texts is not None:
            return outcome
        notes = outcome.notes
    if options.safe_filter:
        return _filtered(texts, names, options, notes)
    return _truncated(texts, names, options, notes) if options.truncate else _Outcome("passthrough", notes=notes)


def _smart(request: Mapping[str, Any], texts: Sequence[str], names: Sequence[str]) -> _Outcome:
    sections = split(texts)
    chosen = smart.choose_sections(sections, smart.first_question(request.get("messages")))
    kept = safe_filter.apply(chosen, "moderate", names)
    new = joined(kept)
    verdict = compare(sections, kept, names)
    if not verdict.valid or not new:
        lost = verdict.complaint() or "everything"
        return _Outcome("passthrough", notes=(f"The smart prompt would lose {lost}, so it is not used.",))
    return _Outcome("smart", new, None, verdict, *_changes(sections, kept))


def _filtered(texts: Sequence[str], names: Sequence[str], options: Options, notes: tuple[str, ...]) -> _Outcome:
    tier = safe_filter.choose(options.tier, estimate("\n".join(texts)))
    if tier is None:
        return _Outcome("passthrough", notes=notes)
    found = safe_filter.safe_filter(texts, names, tier)
    notes = (*notes, *found.notes)
    if found.texts is None:
        return _truncated(texts, names, options, notes)
    return _Outcome("safe-filter", found.texts, found.tier, found.verdict, found.removed, found.shortened, notes)


def _truncated(texts: Sequence[str], names: Sequence[str], options: Options, notes: tuple[str, ...]) -> _Outcome:
    before = estimate("\n".join(texts))
    if before <= options.max_system_tokens:
        return _Outcome("passthrough", notes=notes)
    sections = split(texts)
    kept = truncate.fitting(sections, options.max_system_tokens)
    new = truncate.noted(kept)
    after = estimate("\n".join(new.values()))
    if after >= before:
        return _Outcome("passthrough", notes=notes)
    cut = f"Cut from {before} to {after} tokens."
    verdict = compare(sections, kept, names)
    return _Outcome("truncation", new, None, verdict, *_changes(sections, kept), (*notes, cut))


def _changes(before: Sequence[Section], after: Sequence[Section]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return safe_filter.removed(before, after), safe_filter.shortened(before, after)
