"""The screen of `anyclaude top`: proxies, the cluster's nodes, what went wrong; each only where there is something."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from rich.console import Group
from rich.table import Table
from rich.text import Text

from anyclaude.cli.columns import Column, fitted
from anyclaude.cli.output import plain
from anyclaude.cli.top_seen import Backend, Failing, Node, Proxy, Seen

NOBODY: Final = "no proxy of yours is running; `anyclaude` or `anyclaude --proxy-only` starts one"

_PROXIES: Final = (
    Column("pid", 12),
    Column("backend", 11, words=True),
    Column("model", 10, words=True, cut=True),
    Column("up", 5),
    Column("busy", 9),
    Column("queue", 7),
    Column("tok/s", 8),
    Column("prompt/s", 6),
    Column("answer/s", 3),
    Column("cached", 6),
    Column("kept", 2),
    Column("done", 4),
    Column("failed", 8),
    Column("mended", 1),
)
_NODES: Final = (
    Column("node", 12, words=True, cut=True),
    Column("state", 11, words=True),
    Column("breaker", 10, words=True),
    Column("model", 3, words=True),
    Column("busy", 9),
    Column("to compute", 4),
    Column("prompt/s", 6),
    Column("answer/s", 5),
    Column("TTFT s", 7),
    Column("cached", 6),
    Column("failed", 8),
)
_STYLES: Final = {
    "healthy": "green",
    "closed": "green",
    "unhealthy": "red",
    "open": "red",
    "": "",
}
_ERRORS: Final = 5
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def screen(seen: Seen, width: int, now: float, most: int | None = None) -> Group:
    """width: columns of the terminal. now: seconds since 1970. most: rows of each table; None: all."""
    if not seen.somebody:
        return Group(Text(NOBODY))
    parts: list[Text | Table] = [_summary(seen), Text()]
    parts += _cropped(_PROXIES, [row for proxy in seen.proxies for row in _rows(proxy, now)], width, most)
    parts += [_line(f"{pid} does not answer") for pid in seen.silent]
    if seen.nodes:
        parts += [Text(), *_cropped(_NODES, [_node(node) for node in seen.nodes], width, most)]
        parts += [_line(f"{node.id}: {node.by.reason}") for node in seen.nodes if node.by.reason][:_ERRORS]
    if said := _happened([backend for proxy in seen.proxies for backend in proxy.backends]):
        parts += [Text(), Text(plain(said))]
    if seen.errors:
        parts += [Text(), Text("last errors", style="bold"), *_errors(seen.errors, now)]
    return Group(*parts)


def _summary(seen: Seen) -> Text:
    busy = sum(proxy.streams + proxy.wholes for proxy in seen.proxies)
    speeds = [backend.out for proxy in seen.proxies for backend in proxy.backends if backend.out is not None]
    parts = [_counted(len(seen.proxies), "proxy", "proxies")]
    parts += [_counted(len(seen.nodes), "node", "nodes")] if seen.nodes else []
    parts += [_counted(busy, "answer under way", "answers under way")]
    parts += [f"{sum(speeds):.0f} tokens/s"] if speeds else []
    return Text(", ".join(parts), style="bold", no_wrap=True, overflow="ellipsis")


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _cropped(
    columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int, most: int | None
) -> list[Text | Table]:
    if not rows:
        return []
    table = fitted(columns, rows[:most], width)
    over = len(rows) - len(rows[:most])
    return [table, _line(f"and {over} more")] if over else [table]


def _rows(proxy: Proxy, now: float) -> list[list[Text]]:
    """A line for each backend. What is the proxy's own stands in the first."""
    up, busy = _age(now - proxy.started), str(proxy.streams + proxy.wholes)
    return [
        [*map(_word, (str(proxy.pid), backend.name, _model(backend.model), up, busy)), *_figures(backend)]
        if at == 0
        else [*map(_word, ("", backend.name, _model(backend.model), "", "")), *_figures(backend)]
        for at, backend in enumerate(proxy.backends)
    ]


def _figures(backend: Backend) -> list[Text]:
    return [
        Text("" if backend.queue is None else str(backend.queue)),
        Text(_short(backend.out)),
        Text(_short(backend.prefill)),
        Text(_short(backend.decode)),
        Text(_percent(backend.cached)),
        Text(_percent(backend.kept)),
        Text(_short(backend.done)),
        Text(_short(backend.failed), style="red" if backend.failed else ""),
        Text(_short(backend.repairs)),
    ]


def _node(node: Node) -> list[Text]:
    by = node.by
    words = (node.id, "drained" if node.drained else node.status, by.breaker, _model(node.model))
    figures = (
        str(by.active),
        _short(node.pending_tokens or None),
        _short(node.prefill),
        _short(node.decode),
        "" if by.mean is None else f"{by.mean:.2f}",
        _percent(by.cached_tokens / by.prompt_tokens if by.prompt_tokens else None),
        f"{by.failures}/{by.requests}" if by.requests else "",
    )
    return [*map(_word, words), *map(Text, figures)]


def _happened(backends: Iterable[Backend]) -> str:
    """What tells of trouble that was dealt with."""
    broken: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for backend in backends:
        broken.update(backend.broken)
        counts.update(retried=backend.retries, mended=backend.repairs, left=backend.left)
        counts["sent to another model"] += backend.fallbacks
    said = [f"{what} {count}" for what, count in counts.items() if count]
    if causes := ", ".join(f"{cause} {count}" for cause, count in broken.most_common(_ERRORS)):
        said.append(f"prompts that did not begin with the last one: {causes}")
    return "; ".join(said)


def _errors(errors: Sequence[Failing], now: float) -> list[Text]:
    return [
        _line(f"{_age(now - one.at)} ago  {one.pid} {one.backend} {one.status}  {one.error}")
        for one in errors[:_ERRORS]
    ]


def _line(text: str) -> Text:
    return Text(plain(text), no_wrap=True, overflow="ellipsis")


def _word(text: str) -> Text:
    return Text(plain(text), style=_STYLES.get(text, ""))


def _model(name: str) -> str:
    return name.rpartition("/")[2]


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _short(count: float | None) -> str:
    if count is None:
        return ""
    if count < 10_000:
        return f"{count:.0f}"
    return f"{count / 1000:.0f}k" if count < 1_000_000 else f"{count / 1_000_000:.1f}M"


def _age(seconds: float) -> str:
    seconds = max(0, int(seconds))
    if seconds < _MINUTE:
        return f"{seconds}s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE}m{seconds % _MINUTE:02}s"
    if seconds < _DAY:
        return f"{seconds // _HOUR}h{seconds % _HOUR // _MINUTE:02}m"
    return f"{seconds // _DAY}d{seconds % _DAY // _HOUR:02}h"
