"""What `anyclaude cluster status` shows: a line for each node, and below it what is wrong with whom.

Most of it is the nodes' own word. TTFT and breakers are what the running proxies see; without one TTFT is the workers'.
What has no room is left out whole, the model's name is cut, and a narrow terminal has narrower gaps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anyclaude.cli.cluster_proxies import NOBODY, Together
from anyclaude.cli.cluster_seen import Seen
from anyclaude.cli.output import plain
from anyclaude.cluster.node import Report

_COLUMNS: Final = (
    "node",
    "state",
    "model",
    "context",
    "active",
    "waiting",
    "cached",
    "hit",
    "prefill/s",
    "decode/s",
    "TTFT s",
    "breaker",
    "GiB",
)
_SHORT: Final = {
    "context": "ctx",
    "active": "act",
    "waiting": "wait",
    "prefill/s": "prefill",
    "decode/s": "decode",
    "TTFT s": "TTFT",
}
_LEFT_OUT: Final = (
    *("GiB", "decode/s", "context", "prefill/s", "hit", "cached"),
    *("waiting", "TTFT s", "breaker", "active", "model"),
)
"""In this order, as far as there is no room."""

_WORDS: Final = frozenset({"node", "state", "model", "breaker"})
_LEAST: Final = 8  # columns of the terminal for a model
_WIDEST_NODE: Final = 24
_UNKNOWN: Final = "-"
_ALONE: Final = "no running proxy uses the cluster: TTFT as the workers say, breakers not known"
_STYLES: Final = {
    "open": "red",
    "half-open": "yellow",
    "trial": "yellow",
    "ready": "green",
    "loading": "yellow",
    "draining": "yellow",
    "drained": "yellow",
}
_GIB: Final = 2**30


def screen(seen: Sequence[Seen], width: int, proxies: Together = NOBODY) -> Group:
    """width: columns of the terminal. proxies: all that run, together."""
    if not seen:
        return Group(Text("no node was found"))
    ready = sum(one.ready for one in seen)
    last = f"{ready} of {len(seen)} nodes {'is' if ready == 1 else 'are'} ready"
    problems = [Text(plain(f"{one.node}: {problem}")) for one in seen if (problem := _problem(one))]
    return Group(_table(seen, width), *problems, Text(_watchers(proxies)), Text(last, style="bold"))


def _problem(one: Seen) -> str:
    if one.problem:
        return f"{one.problem} (it is drained, too)" if one.drained else one.problem
    by = one.by_proxies
    return by.reason if by is not None and by.breaker not in ("", "closed") else ""


def _watchers(proxies: Together) -> str:
    if not proxies.proxies:
        return _ALONE
    who = "a running proxy sees" if proxies.proxies == 1 else f"{proxies.proxies} running proxies see"
    queue = f"; {proxies.queue} waiting there" if proxies.queue else ""
    return f"TTFT (mean/p95) and breakers as {who} them{queue}"


def _table(seen: Sequence[Seen], width: int) -> Table:
    rows = [dict(zip(_COLUMNS, _cells(one), strict=True)) for one in seen]
    fit = _fit(rows, width)
    table = Table(box=None, pad_edge=False, padding=(0, fit.gap, 0, 0))
    for name, columns in fit.widths.items():
        table.add_column(
            fit.heads.get(name, name),
            justify="left" if name in _WORDS else "right",
            no_wrap=name != "node",
            overflow="fold" if name == "node" else "ellipsis",
            width=columns,
        )
    for row in rows:
        style = {name: _STYLES.get(row[name], "") for name in ("state", "breaker")}
        table.add_row(*(Text(row[name], style=style.get(name, "")) for name in fit.widths))
    return table


@dataclass(frozen=True, slots=True)
class _Fit:
    """widths: of the columns that are shown. heads: those that are not their names. gap: between two columns."""

    widths: Mapping[str, int]
    heads: Mapping[str, str]
    gap: int


def _fit(rows: Sequence[Mapping[str, str]], width: int) -> _Fit:
    """What nobody says has no column."""
    said = [name for name in _COLUMNS if name in _WORDS or any(row[name] for row in rows)]
    whole = _Fit(_widths(rows, said, {}), {}, 2)
    if _room(whole, width) >= 0:
        return whole
    fit = _Fit(_widths(rows, said, _SHORT), _SHORT, 1)
    for name in _LEFT_OUT:
        if _room(fit, width) + fit.widths.get("model", 0) >= min(fit.widths.get("model", 0), _LEAST):
            break
        fit = replace(fit, widths={kept: columns for kept, columns in fit.widths.items() if kept != name})
    if "model" not in fit.widths:
        return fit
    return replace(fit, widths={**fit.widths, "model": fit.widths["model"] + min(0, _room(fit, width))})


def _room(fit: _Fit, width: int) -> int:
    """Columns of the terminal that are left; negative where some are lacking."""
    return width - sum(fit.widths.values()) - fit.gap * (len(fit.widths) - 1)


def _widths(rows: Sequence[Mapping[str, str]], names: Sequence[str], heads: Mapping[str, str]) -> dict[str, int]:
    widths = {name: max([len(heads.get(name, name)), *(len(row[name]) for row in rows)]) for name in names}
    return widths | {"node": min(widths["node"], _WIDEST_NODE)}


def _cells(one: Seen) -> list[str]:
    report, seen_by_proxies = one.report, [_first_token(one), _breaker(one)]
    if report is None:
        return [plain(one.node), one.state, *("" for _ in _COLUMNS[5:]), *seen_by_proxies, ""]
    return [
        plain(one.node),
        one.state,
        plain((report.model or "").rpartition("/")[2]),
        _short(report.context_length),
        str(report.active),
        str(report.waiting),
        _short(report.cached_tokens),
        "" if report.hit_rate is None else f"{report.hit_rate:.0%}",
        _short(report.prefill_tps),
        _short(report.decode_tps),
        *seen_by_proxies,
        _memory(report),
    ]


def _first_token(one: Seen) -> str:
    return _UNKNOWN if one.first_token is None else "/".join(map(_seconds, one.first_token))


def _breaker(one: Seen) -> str:
    return (one.by_proxies.breaker if one.by_proxies else "") or _UNKNOWN


def _seconds(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def _short(count: float | None) -> str:
    if count is None:
        return ""
    if count < 10_000:
        return f"{count:.0f}"
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def _memory(report: Report) -> str:
    if report.memory_used is None:
        return ""
    limit = "" if report.memory_limit is None else f"/{report.memory_limit / _GIB:.0f}"
    return f"{report.memory_used / _GIB:.1f}{limit}"
