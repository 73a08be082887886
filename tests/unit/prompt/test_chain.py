"""Each step of the chain, what it falls back to, and odd requests."""

from typing import Any

import pytest

from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import FilterTier, Options
from anyclaude.prompt.sections import joined, split
from anyclaude.prompt.tools import slim
from anyclaude.prompt.truncate import NOTE
from tests.unit.prompt.prompts import EDIT, IDENTITY, LONG_PARAGRAPH, PROMPT, READ, request


def filtered(tier: FilterTier, system: Any = PROMPT) -> str:
    text = optimise(request(system), Options(safe_filter=True, tier=tier)).request["system"]
    assert isinstance(text, str)
    return text


def test_sections_joined_are_the_same_text() -> None:
    assert joined(split([PROMPT, "", "```\n# no heading\n"])) == {0: PROMPT, 1: "", 2: "```\n# no heading\n"}


def test_sections_have_ranks() -> None:
    ranks = {section.heading: section.rank for section in split([PROMPT])}
    assert ranks == {
        "": "critical",
        "Using tools": "critical",
        "Shelving": "useful",
        "Git": "useful",
        "Tone and style": "optional",
        "Memory": "optional",
        "What to keep": "optional",
        "Environment": "critical",
    }


def test_minimal_drops_optional_sections_only() -> None:
    text = filtered("minimal")
    assert "Speak softly" not in text
    assert "Titles only" not in text
    assert LONG_PARAGRAPH in text
    assert "Commits are small." in text


def test_moderate_drops_examples_and_explanations_too() -> None:
    text = filtered("moderate")
    assert LONG_PARAGRAPH not in text
    assert "pocket atlas" not in text
    assert "two books" not in text
    assert "Dust is swept" in text


def test_aggressive_keeps_first_lines_of_useful_sections() -> None:
    text = filtered("aggressive")
    assert "Books stand upright." in text
    assert "Lamps" not in text
    assert "Plain words four." in text


def test_extreme_keeps_the_core_of_critical_sections() -> None:
    text = filtered("extreme")
    assert text.startswith(IDENTITY)
    assert "Results come back" in text
    assert "Plain words four." not in text
    assert "Books stand" not in text
    assert "branch main\none\ntwo" in text


def test_each_tier_is_shorter_than_the_softer_one() -> None:
    sizes = [len(filtered(tier)) for tier in ("minimal", "moderate", "aggressive", "extreme")]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4


def test_auto_leaves_a_short_prompt_alone() -> None:
    asked = request()
    done = optimise(asked, Options(safe_filter=True))
    assert done.request is asked
    assert done.report.stage == "passthrough"


@pytest.mark.parametrize(("copies", "tier"), [(20, "minimal"), (45, "moderate"), (90, "aggressive"), (160, "extreme")])
def test_auto_grows_with_the_prompt(copies: int, tier: str) -> None:
    long = PROMPT + f"# Shelving\n{LONG_PARAGRAPH}\n" * copies
    assert optimise(request(long), Options(safe_filter=True)).report.tier == tier


def test_a_tier_that_loses_a_tool_gives_way_to_a_softer_one() -> None:
    prompt = PROMPT.replace(" Read before Edit.", "") + "# Shelving\nRead and Edit.\n"
    report = optimise(request(prompt), Options(safe_filter=True, tier="extreme")).report
    assert report.tier == "aggressive"
    assert report.notes == ("The tier extreme would lose the tool Read, the tool Edit, so it is not used.",)


def test_where_no_tier_is_valid_the_prompt_is_truncated() -> None:
    prompt = f"{IDENTITY}\n# Tone\nNever Edit softly.\n# Shelving\n" + f"{LONG_PARAGRAPH}\n" * 20
    done = optimise(request(prompt), Options(safe_filter=True, tier="minimal", max_system_tokens=200))
    assert done.report.stage == "truncation"
    assert done.report.system_tokens_after <= 200
    assert done.request["system"].endswith(NOTE)
    assert len(done.report.notes) == 2


def test_truncation_keeps_first_lines_and_critical_sections_in_order() -> None:
    done = optimise(request(PROMPT), Options(truncate=True, max_system_tokens=150))
    text = done.request["system"]
    assert text.startswith(IDENTITY)
    assert "# Using tools" in text
    assert LONG_PARAGRAPH not in text
    assert done.report.system_tokens_after <= 150


def test_truncation_leaves_what_fits() -> None:
    asked = request()
    assert optimise(asked, Options(truncate=True)).request is asked


def test_smart_keeps_what_the_first_question_asks_for() -> None:
    options = Options(smart=True)
    about_git = optimise(request(question="commit this"), options)
    about_memory = optimise(request(question="<system-reminder>git</system-reminder>remember me"), options)
    assert "Commits are small" in about_git.request["system"]
    assert "Titles only" not in about_git.request["system"]
    assert "Commits are small" not in about_memory.request["system"]
    assert "Titles only" in about_memory.request["system"]
    assert about_git.report.stage == "smart"


def test_a_smart_prompt_that_loses_a_tool_leaves_it_to_the_filter() -> None:
    prompt = PROMPT.replace(" Read before Edit.", "") + "# Git\nEdit first.\n"
    report = optimise(request(prompt), Options(smart=True, safe_filter=True, tier="minimal")).report
    assert (report.stage, report.tier) == ("safe-filter", "minimal")
    assert report.notes[0].startswith("The smart prompt would lose the tool Edit")


def test_blocks_keep_their_marks_and_unknown_ones_are_not_touched() -> None:
    mark = {"type": "ephemeral"}
    odd = {"type": "image", "source": {}}
    system = [
        {"type": "text", "text": IDENTITY},
        odd,
        {"type": "text", "text": PROMPT, "cache_control": mark},
        {"type": "text", "text": "# Tone\nSoft.", "cache_control": mark},
    ]
    result = optimise(request(system), Options(safe_filter=True, tier="minimal")).request["system"]
    assert result[:2] == system[:2]
    assert result[2]["cache_control"] == mark
    assert "Speak softly" not in result[2]["text"]
    assert len(result) == 3


@pytest.mark.parametrize("system", [None, 7, {}, [], [1, None, {"type": "text"}], "", "\ud800 # x", "# Tone\nonly"])
@pytest.mark.parametrize("tools", [None, 3, [1, {}, {"name": 5}, {"name": "a", "input_schema": 4}]])
def test_odd_requests_pass(system: Any, tools: Any) -> None:
    options = Options(smart=True, safe_filter=True, tier="extreme", slim_tools="short", allowed_tools=frozenset("b"))
    optimise({"system": system, "tools": tools, "messages": [4, {"role": "user", "content": 4}]}, options)


def test_noise_leaves_a_schema_from_tools_and_no_more() -> None:
    schema = slim([READ], "noise")[0]["input_schema"]
    assert set(schema) == {"type", "properties", "required"}
    assert schema["properties"]["$schema"] == {"type": "integer", "minimum": 1}
    assert slim([READ], "noise")[0]["description"] == READ["description"]


def test_short_also_cuts_descriptions_at_a_sentence() -> None:
    tool = slim([READ], "short")[0]
    assert 120 <= len(tool["description"]) <= 600
    assert tool["description"].endswith("one by one.")
    assert len(tool["input_schema"]["properties"]["description"]["description"]) <= 200


def test_strict_and_server_tools_keep_their_schemas() -> None:
    tools = [{**READ, "strict": True}, {"type": "web_search_20250305", "name": "web_search", "$schema": "x"}]
    assert slim(tools, "noise") is tools


def test_the_allow_list_leaves_tools_out_but_never_the_chosen_one() -> None:
    options = Options(allowed_tools=frozenset({"Edit"}))
    done = optimise(request(), options)
    assert done.request["tools"] == [EDIT]
    assert done.report.tools_left_out == ("Read",)
    chosen = request(tool_choice={"type": "tool", "name": "Read"})
    assert optimise(chosen, options).request is chosen
