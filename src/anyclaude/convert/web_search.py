"""Claude Code's web search: the request that asks for one, and the blocks that answer it.

Its WebSearch tool makes a request of its own, with one server tool and the query in a sentence. The answer is a
`server_tool_use` block, a `web_search_tool_result` block and a text; Claude Code hands links and text to the model
(observed with 2.1.197). Source of the blocks:
https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from anyclaude.convert.search_results import Page, visible
from anyclaude.wire.events import Finished, ModelEvent, ServerToolResult, ServerToolUse, TextDelta, UsageReport

NAME: Final = "web_search"
RESULT: Final = "web_search_tool_result"

LONGEST_QUERY: Final = 2000  # characters
_LEAD: Final = re.compile(r"\A[^:\n]{0,80}\bquery: *", re.IGNORECASE)
_LONGEST_SHOWN: Final = 200
_STRANGERS: Final = "Titles and excerpts are the words of those pages."


@dataclass(frozen=True, slots=True)
class Query:
    """What is searched for. allowed, blocked: domains whose pages alone, or never, are wanted."""

    text: str
    allowed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()


def query_of(request: Mapping[str, Any]) -> Query | None:
    """The query of a request that is nothing but a web search, whatever the version of the tool; else None.

    A request that also has tools of the client's is a conversation, which only a model can lead.
    """
    match request.get("tools"):
        case [{"type": str(kind), "name": "web_search"} as tool] if kind.startswith("web_search_"):
            asked = _last_words(request.get("messages"))
            text = _LEAD.sub("", asked, count=1).strip()
            return Query(text, _domains(tool.get("allowed_domains")), _domains(tool.get("blocked_domains")))
    return None


def _last_words(messages: object) -> str:
    """The text of the last user message. Reminders of Claude Code's stand beside it as messages of the system."""
    for message in reversed(messages if isinstance(messages, list) else []):
        if isinstance(message, Mapping) and message.get("role") == "user":
            content = message.get("content")
            return content if isinstance(content, str) else "\n".join(_texts(content))
    return ""


def _texts(content: object) -> Iterator[str]:
    for block in content if isinstance(content, list) else ():
        match block:
            case {"type": "text", "text": str(text)}:
                yield text


def _domains(value: object) -> tuple[str, ...]:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def found(use: str, query: Query, pages: Sequence[Page], searches: int = 1) -> list[ModelEvent]:
    """The whole answer to a search: the blocks, and what the pages say. use: its id. pages: admitted ones."""
    return [*blocks(use, query, pages), TextDelta(_told(query, pages)), *_end(searches)]


def not_found(use: str, query: Query, code: str, said: str) -> list[ModelEvent]:
    """The answer to a search that could not be made. code: Anthropic's word for it (`too_many_requests`,
    `max_uses_exceeded`, `query_too_long`, `invalid_tool_input`, else `unavailable`). said: one sentence on why.
    """
    error = {"type": "web_search_tool_result_error", "error_code": code}
    return [_search(use, query), ServerToolResult(use, RESULT, error), TextDelta(said), *_end(0)]


def blocks(use: str, query: Query, pages: Sequence[Page]) -> list[ModelEvent]:
    """The search and its results. There is nothing encrypted in ours: what is known of a page is in the text."""
    results = [_result(page) for page in pages]
    return [_search(use, query), ServerToolResult(use, RESULT, results)]


def _result(page: Page) -> dict[str, Any]:
    shown = {"type": "web_search_result", "title": page.title, "url": page.url, "encrypted_content": ""}
    return {**shown, "page_age": page.age}


def _search(use: str, query: Query) -> ServerToolUse:
    return ServerToolUse(use, NAME, {"query": query.text})


def _end(searches: int) -> list[ModelEvent]:
    return [UsageReport(0, 0, 0, web_searches=searches), Finished("end_turn")]


def _told(query: Query, pages: Sequence[Page]) -> str:
    shown = visible(query.text, _LONGEST_SHOWN)
    if not pages:
        return f'The search for "{shown}" found nothing{_where(query)}.'
    entries = "\n\n".join(_entry(number, page) for number, page in enumerate(pages, 1))
    return f'Found for "{shown}". {_STRANGERS}\n\n{entries}'


def _where(query: Query) -> str:
    return " within the domains that were asked for" if query.allowed or query.blocked else ""


def _entry(number: int, page: Page) -> str:
    title = f"{number}. {page.title} ({page.age})" if page.age else f"{number}. {page.title}"
    return "\n   ".join(line for line in (title, page.url, page.snippet) if line)
