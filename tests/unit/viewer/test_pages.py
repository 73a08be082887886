"""Every page over made-up traces, as HTML: what it must show, and that nothing in a record becomes markup."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from anyclaude.errors import NotFound
from anyclaude.trace.index import TraceIndex
from anyclaude.viewer import pages, prompt_pages, turn_pages
from anyclaude.viewer.app import Look
from anyclaude.viewer.asked import Asked, File
from anyclaude.viewer.looks import render
from tests.support.told_stories import MARKER, summer_time, tell_all, tell_attack
from tests.support.told_traces import Story, call, result

_TURN_PAGES: tuple[Look, ...] = (
    turn_pages.conversation_page,
    turn_pages.timing_page,
    turn_pages.sent_page,
    turn_pages.upstream_page,
    turn_pages.notes_page,
)
_TAGS = """
    html head meta title link script body header main footer nav div section span p a h1 h2 h3 ul ol li dl dt dd table
    thead tbody tr th td form input button select option label dialog details summary pre code kbd b i small mark ins
    del time img figure figcaption svg circle path rect
"""
_ALLOWED = frozenset(_TAGS.split())


@pytest.fixture
def index(tmp_path: Path) -> Iterator[TraceIndex]:
    with TraceIndex(tmp_path) as opened:
        yield opened


def _html(index: TraceIndex, look: Look, query: dict[str, str] | None = None, **parts: str) -> str:
    found = look(Asked(index, parts, query or {}, index.refresh(60)))
    return found.content.decode() if isinstance(found, File) else render(found.template, found.facts).decode()


def _only(index: TraceIndex, title: str) -> str:
    index.refresh(60)
    return next(row.id for row in index.sessions() if title in row.title)


def test_sessions_stand_under_their_day(tmp_path: Path, index: TraceIndex) -> None:
    tell_all(tmp_path)
    page = _html(index, pages.sessions)
    assert page.count('<li class="row"') == 7
    assert "1 subagent" in page
    assert "1 error" in page


def test_an_empty_home_says_what_to_do(tmp_path: Path, index: TraceIndex) -> None:
    page = _html(index, pages.sessions)
    assert "There are no traces yet" in page
    assert "anyclaude --ui" in page
    assert "There is nothing to compare yet" in _html(index, pages.compare)
    assert "There are no prompts yet" in _html(index, prompt_pages.prompts)


def test_a_session_tells_its_agents_apart(tmp_path: Path, index: TraceIndex) -> None:
    summer_time(tmp_path)
    session = _only(index, "tide table")
    whole = _html(index, pages.session, session=session)
    assert all(chip in whole for chip in ("all (10)", "main (7)", "subagent 1 (2)", "titles, summaries (1)"))
    assert whole.count('class="chart"') == 3  # a local model has no price
    assert _html(index, pages.session, {"thread": "agent:a1f3c2"}, session=session).count("<tr data-row>") == 2


def test_a_turn_shows_what_was_said_with_results_at_their_calls(tmp_path: Path, index: TraceIndex) -> None:
    summer_time(tmp_path)
    turns = index.turns(_only(index, "tide table"), "")
    page = _html(index, turn_pages.conversation_page, {"last": "50"}, turn=turns[-1].id)
    assert page.count('<details class="call') == 7
    assert '<details class="call failed"' in page
    assert "<del>-    return [first" in page
    assert "times = [first, first" in page
    assert 'class="picture"' in page


def test_a_slow_turn_is_explained_with_the_difference(tmp_path: Path, index: TraceIndex) -> None:
    story = Story(tmp_path, "s")
    story.turn("Look at it", [call("Bash", 1, command="x")])
    story.system = (story.system[0], story.system[1].replace("(clean)", "M tides/table.py"))
    slow = story.turn([result(1, "y")], "done", broken=("the text of a block changed", "system block 2"))
    index.refresh(60)
    page = _html(index, turn_pages.timing_page, turn=slow)
    assert "<del>-(clean)</del>" in page
    assert "<ins>+M tides/table.py</ins>" in page
    assert "the text of a block changed" in page


def test_what_went_upstream_is_told_beside_what_was_sent(tmp_path: Path, index: TraceIndex) -> None:
    turn = Story(tmp_path, "s").turn("Look at it", "done")
    index.refresh(60)
    page = _html(index, turn_pages.upstream_page, turn=turn)
    assert page.count(">changed</span>") == 5  # each tool was shortened


def test_two_prompts_differ_by_name(tmp_path: Path, index: TraceIndex) -> None:
    tell_all(tmp_path)
    index.refresh(60)
    rows = {client: row.prompt for row in index.prompts() if "main" in row.roles for client in row.clients}
    page = _html(index, prompt_pages.difference, {"first": rows["2.1.197"], "second": rows["2.1.330"]})
    assert "<b>Grep</b>" in page
    assert "<b>Find</b>" in page
    assert "Say what you will do" in page


def test_two_sessions_side_by_side(tmp_path: Path, index: TraceIndex) -> None:
    tell_all(tmp_path)
    first, second = _only(index, "tide table"), _only(index, "Channel Islands")
    page = _html(index, pages.compare, {"first": f"session:{first}", "second": f"session:{second}"})
    assert page.count('class="chart"') == 7
    assert _html(index, pages.compare, {"first": "backend:lmstudio", "second": "backend:openrouter"}).count("<td>") > 5


def test_search_marks_what_was_found(tmp_path: Path, index: TraceIndex) -> None:
    tell_all(tmp_path)
    assert "<mark>sailors</mark>" in _html(index, pages.search, {"q": "sailor"})
    assert "There is none" in _html(index, pages.search, {"q": "submarine"})


def test_exports_are_files_of_their_session(tmp_path: Path, index: TraceIndex) -> None:
    summer_time(tmp_path)
    session = _only(index, "tide table")
    assert "All 41 tests pass" in _html(index, pages.session_markdown, session=session)
    found = pages.session_json(Asked(index, {"session": session}, {}))
    assert found.name == "session-2026-11-20-5ea50001.json"


def test_a_turn_of_many_megabytes_makes_a_small_page(tmp_path: Path, index: TraceIndex) -> None:
    story = Story(tmp_path, "s", system=("x" * 2_000_000,))
    for number in range(5):
        story.turn(
            [result(number, "y" * 800_000)],
            [{"type": "text", "text": "z" * 200_000}, call("Write", number + 1, content="w" * 200_000)],
        )
    index.refresh(60)
    last = index.turns("s")[-1].id
    for look in _TURN_PAGES:
        assert len(_html(index, look, {"last": "2000"}, turn=last)) < 1_500_000
    assert len(_html(index, turn_pages.part_file, turn=last, of="sent", number="0")) == 2_000_000


def test_what_is_not_there_is_not_found(tmp_path: Path, index: TraceIndex) -> None:
    turn = Story(tmp_path, "s").turn("a", "b")
    index.refresh(60)
    looks: tuple[tuple[Look, dict[str, str]], ...] = (
        (pages.session, {"session": "x"}),
        (turn_pages.conversation_page, {"turn": "x"}),
        (turn_pages.block_file, {"turn": turn, "place": "9.9"}),
        (turn_pages.image_file, {"turn": turn, "place": "0.0"}),
        (turn_pages.part_file, {"turn": turn, "of": "9", "number": "0"}),
        (prompt_pages.prompt, {"prompt": "0"}),
    )
    for look, parts in looks:
        with pytest.raises(NotFound):
            look(Asked(index, parts, {}))


def test_no_word_of_a_record_becomes_markup(tmp_path: Path, index: TraceIndex) -> None:
    tell_attack(tmp_path)
    index.refresh(60)
    (row,) = index.sessions()
    ids = {"session": row.id, "first": f"session:{row.id}", "second": f"session:{row.id}", "q": "script"}
    found = [_html(index, look, ids) for look in (pages.sessions, pages.search, pages.compare, prompt_pages.prompts)]
    found += [_html(index, pages.session, session=row.id)]
    found += [_html(index, look, turn=turn.id) for turn in index.turns(row.id) for look in _TURN_PAGES]
    found += [_html(index, prompt_pages.prompt, prompt=each.prompt) for each in index.prompts()]
    for page in found:
        assert _Judge(page).faults == []
        assert "\x1b" not in page
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page
    assert any(f"window.{MARKER}=1" in page for page in found)


class _Judge(HTMLParser):
    """Tags, attributes and links that no page of ours has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _ALLOWED:
            self.faults.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.faults.append(f"{tag} {name}")
            if name in ("href", "src", "action") and not (value or "").startswith(("/anyclaude/ui", "#page")):
                self.faults.append(f"{tag} {name}={value}")
