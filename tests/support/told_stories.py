"""The made-up sessions that the pages are shown with, and one in which every field is an attack."""

from base64 import b64encode
from pathlib import Path

from tests.support.png import curve
from tests.support.told_traces import NOON, SYSTEM, TOOLS, Story, call, result, text, thinking

_HOUR = 3600.0
_TABLE = '''\
 1  from datetime import datetime, timedelta
 2
 3  def high_water(day: datetime, station: Station) -> list[datetime]:
 4      """Times of high water at a station, in its own time."""
 5      first = station.epoch + timedelta(hours=12.42 * waves_since(station.epoch, day))
 6      return [first + timedelta(hours=station.offset), first + timedelta(hours=12.42 + station.offset)]
'''
_OLD = "    return [first + timedelta(hours=station.offset), first + timedelta(hours=12.42 + station.offset)]"
_NEW = (
    "    times = [first, first + timedelta(hours=12.42)]\n    return [time.astimezone(station.zone) for time in times]"
)
_ANSWER = """\
The table is an hour late because `high_water` adds a fixed offset to times in UTC. The offset is that of winter.

```python
times = [first, first + timedelta(hours=12.42)]
return [time.astimezone(station.zone) for time in times]
```

The zone of the station now decides, so that summer time is its own affair. All 41 tests pass; two of them are new and
stand on either side of the night in March in which the clocks change."""


def tell_all(home: Path) -> None:
    """A few days of work on a program that knows the tides."""
    _earlier(home)
    summer_time(home)
    stations(home)
    atlas(home)


def summer_time(home: Path) -> None:
    """The main story: a local model, a subagent, side requests, a repair, a prompt that broke, a picture."""
    story = Story(home, "5ea50001-0000-4000-8000-000000000001", at=NOON + 2 * _HOUR)
    story.turn("Name this: the tide table is an hour late in summer", "Tide table in summer", beside=True)
    picture = {"type": "base64", "media_type": "image/png", "data": b64encode(curve()).decode()}
    story.turn(
        [
            text("<system-reminder>Files that were open: tides/table.py</system-reminder>"),
            {"type": "image", "source": picture},
            text("The tide table is an hour late, but only in summer. This is what Dover looks like. Find out why."),
        ],
        [
            thinking("An hour, and only in summer: daylight saving. Where are times turned into local ones?"),
            text("That sounds like summer time. I look at how the table makes its times."),
            call("Grep", 1, pattern="timedelta\\(hours=", path="tides"),
            call("Read", 2, file_path="tides/table.py"),
        ],
    )
    story.turn(
        [result(1, "tides/table.py:5\ntides/table.py:6\ntides/moon.py:31"), result(2, _TABLE)],
        [
            thinking("The offset is constant. The tests may only know January."),
            text("The offset is a constant. I let somebody look through the tests meanwhile."),
            call("Agent", 3, description="Find tests in summer", prompt="Which tests of tides use a day in summer?"),
        ],
    )
    _subagent(story)
    story.turn(
        [result(3, "None. All 39 tests use days in January or November.")],
        [call("Edit", 4, file_path="tides/table.py", old_string=_OLD, new_string=_NEW)],
        notes=[{"kind": "repair", "at_ms": 1240.5, "tool": "Edit", "what": "the argument `filepath` is `file_path`"}],
    )
    story.system = (SYSTEM[0], SYSTEM[1].replace("(clean)", "M tides/table.py"))
    story.turn(
        [result(4, "tides/table.py was changed.")],
        [call("Bash", 5, command="python -m pytest -q", description="Run the tests")],
        broken=("git status", "the system prompt"),
    )
    failed = "FAILED tests/test_table.py::test_leap_second\n1 failed, 38 passed in 2.10s"
    story.turn(
        [result(5, failed, error=True)],
        [
            text("One test counts on the old offset. I look at it."),
            call("Read", 6, file_path="tests/test_table.py"),
        ],
    )
    story.turn(
        [result(6, "def test_leap_second() -> None:\n    ...\n" * 60)],
        [call("Bash", 7, command="git diff --stat && python -m pytest -q", description="Look again")],
        notes=[{"kind": "warning", "at_ms": 88.0, "said": "an image was sent to a model that takes none: described"}],
    )
    story.turn([result(7, "41 passed in 2.31s")], _ANSWER)


def _subagent(story: Story) -> None:
    story.turn("Which tests of tides use a day in summer?", [call("Grep", 11, pattern="datetime\\(20")], agent="a1f3c2")
    days = "\n".join(f"tests/test_table.py:{line}: datetime(2026, 1, {line % 28 + 1})" for line in range(12, 51))
    story.turn([result(11, days)], "None. All 39 tests use days in January or November.", agent="a1f3c2")


def stations(home: Path) -> None:
    """On OpenRouter, with a price, a retry and an error in the end."""
    openrouter = {"mode": "openrouter", "model": "qwen/qwen3-coder", "read_rate": 5200.0, "write_rate": 95.0}
    story = Story(home, "5ea50002-0000-4000-8000-000000000002", at=NOON + 5 * _HOUR, price=0.4, **openrouter)  # type: ignore[arg-type]
    story.turn(
        "Add the stations of the Channel Islands, with their zones.", [call("Read", 1, file_path="stations.csv")]
    )
    story.turn(
        [result(1, "name,zone,offset\nDover,Europe/London,0\n" * 40)], [call("Bash", 2, command="make stations")]
    )
    story.turn(
        [result(2, "12 stations written")],
        [text("Written. I check one of them."), call("WebFetch", 3, url="https://tides.example/st-helier")],
        notes=[
            {"kind": "fallback", "at_ms": 640.0, "failed": "openrouter:qwen/qwen3-coder", "status": 503,
             "error": "the provider has no room"},
            {"kind": "learnt", "at_ms": 900.0, "model": "qwen/qwen3-coder", "refused": "parallel_tool_calls"},
        ],
    )  # fmt: skip
    story.turn(
        [result(3, "High water 06:12", error=False)],
        [],
        outcome="error",
        status=429,
        error="the model's provider limits requests; it asks to wait 20 seconds",
        response={"status": 429, "body": {"content": []}},
    )


def atlas(home: Path) -> None:
    """On a cluster that is busy, with a newer Claude Code."""
    system = (SYSTEM[0], SYSTEM[1].replace("# Tone", "# Plans\nSay what you will do before you do it.\n\n# Tone"))
    tools = {name: about for name, about in TOOLS.items() if name != "Grep"} | {"Find": "Looks for files and patterns."}
    story = Story(
        home,
        "5ea50003-0000-4000-8000-000000000003",
        mode="mlx-cluster",
        model="Qwen3-Coder-30B-A3B-4bit",
        at=NOON + 7.5 * _HOUR,
        client="2.1.330",
        read_rate=1500,
        system=system,
        tools=tools,
    )
    queued = {"kind": "queue", "at_ms": 4200.0, "seconds": 4.2, "others": 3}
    story.turn("Draw the tides of a week as SVG, one line a station.", [call("Read", 1, file_path="tides/plot.py")])
    story.turn([result(1, "def plot(): ...\n" * 30)], [call("Edit", 2, file_path="tides/plot.py", old_string="...",
               new_string="return svg(lines)")], waits=4.2, notes=[queued])  # fmt: skip
    story.turn([result(2, "changed")], "Each station is a line now, and its name stands at the right end of it.")


def _earlier(home: Path) -> None:
    asked = (
        ("Why does the build take four minutes?", "Most of it is one test that waits for a clock. It no longer does."),
        ("Write the release notes for 0.9", "Written, from the commits since 0.8: nine lines in three groups."),
        ("Translate the error messages into French", "Done: 31 messages, in the words that sailors use."),
        ("What does waves_since return before the epoch?", "A negative number, rounded toward zero: one wave too few."),
    )
    for number, (question, answer) in enumerate(asked):
        began = NOON - (number // 2 + 1) * 24 * _HOUR + 2 * _HOUR * number
        story = Story(home, f"5ea5001{number}-0000-4000-8000-00000000001{number}", at=began)
        story.turn(question, [call("Bash", 1, command="git log --oneline | head"), call("Read", 2, file_path="README")])
        story.turn([result(1, "4f1c Tides of Dover\n" * 9), result(2, "Tides, for people who sail.\n" * 20)], answer)


MARKER = "pwned"
"""What an attack sets on `window`, or shows in a dialog, if it runs."""

ATTACKS = (
    f"<script>window.{MARKER}=1;alert(1)</script>",
    f'"><img src=x onerror="window.{MARKER}=2;alert(2)">',
    f"javascript:window.{MARKER}=3",
    "<style>body{display:none}</style><link rel=stylesheet href=https://evil.example/x.css>",
    "{{ 7*7 }}{% include '/etc/passwd' %}${7*7}",
    "\x1b]0;title\x07\x1b[2J\x1b[31mred",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt.exe\N{LEFT-TO-RIGHT ISOLATE}",
    "</textarea></title></pre></details></svg><iframe src=https://evil.example></iframe>",
    "<svg/onload=alert(4)><math><a xlink:href=javascript:alert(5)>x</a></math>",
    "'-alert(6)-'\" onmouseover=alert(7) autofocus onfocus=alert(8) x=\"",
)


def tell_attack(home: Path) -> None:
    """A session in which all that others write is written by somebody who means harm."""
    every = " ".join(ATTACKS)
    story = Story(
        home,
        f"5ea5bad0-{ATTACKS[1]}",
        model=ATTACKS[0],
        client="2.1.197",
        at=NOON + 9 * _HOUR,
        system=(every, f"# {every}\n{every}"),
        tools={ATTACKS[0]: every, "Read": every},
    )
    svg = b64encode(b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(9)"/>').decode()
    story.turn(
        [
            text(f"{every}\n```html\n{every}\n```"),
            {"type": "image", "source": {"type": "base64", "media_type": "image/svg+xml", "data": svg}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": svg}},
            {"type": ATTACKS[0], "x": every},
        ],
        [thinking(every), text(every), call(ATTACKS[0], 1, **{ATTACKS[1]: every, "url": ATTACKS[2]})],
        notes=[{"kind": ATTACKS[0], "at_ms": 1.0, ATTACKS[1]: every}],
        id=ATTACKS[7],
    )
    found = {
        "type": "search_result",
        "title": every,
        "source": ATTACKS[2],
        "content": [{"type": "text", "text": every}],
    }
    story.turn([result(1, [text(every), found])], every, broken=(every, every))
    story.turn(
        every, [call("Edit", 2, file_path=every, old_string=every, new_string=f"x{every}")],
        outcome="error", status=500, error=every, agent=ATTACKS[1],
    )  # fmt: skip
