"""Each step of the chain, what it falls back to, and odd requests."""

from typing import Any

import pytest

from anyclaude.prompt.chain import optimise
from anyclaude.prompt.options import Options
from anyclaude.prompt.tokens import estimate
from anyclaude.prompt.truncate import NOTE
from tests.unit.prompt.prompts import EDIT, IDENTITY, LONG_PARAGRAPH, MINE, PROMPT, request


def test_auto_leaves_a_short_prompt_alone() -> None:
    asked = request()
    done = optimise(asked, Options(safe_filter=True))
    assert done.request is asked
    assert done.report.stage == "passthrough"


@pytest.mark.parametrize(("copies", "tier"), [(20, "minimal"), (45, "moderate"), (90, "aggressive"), (160, "extreme")])
def test_auto_grows_with_the_prompt(copies: int, tier: str) -> None:
    long = f"# Doing tasks\n{LONG_PARAGRAPH}\n" * copies + PROMPT
    assert optimise(request(long), Options(safe_filter=True)).report.tier == tier


def test_a_tier_is_applied_and_told() -> None:
    asked = request()
    done = optimise(asked, Options(safe_filter=True, tier="extreme"))
    report = done.report
    assert (report.stage, report.tier, report.missing) == ("safe-filter", "extreme", ())
    assert report.removed[0] == "Doing tasks"
    assert report.system_tokens_before > report.system_tokens_after == estimate(done.request["system"])
    assert {key: value for key, value in done.request.items() if key != "system"} == {
        key: value for key, value in asked.items() if key != "system"
    }


def test_a_text_of_somebody_else_is_left_alone() -> None:
    asked = request("# Tone and style\nSoft.\n# Examples\nFor example, this.")
    done = optimise(asked, Options(smart=True, safe_filter=True, tier="extreme", truncate=True))
    assert done.request is asked


def test_where_no_tier_is_valid_the_prompt_is_truncated() -> None:
    prompt = "# Tone and style\nSoft.\n# Text output\n" + f"{LONG_PARAGRAPH}\n" * 20
    done = optimise(request(prompt), Options(safe_filter=True, tier="minimal", max_system_tokens=200))
    assert done.report.stage == "truncation"
    assert done.report.system_tokens_after <= 200
    assert done.request["system"].endswith(NOTE)
    assert [note.split()[0] for note in done.report.notes] == ["The", "Cut"]


def test_truncation_keeps_to_its_budget() -> None:
    done = optimise(request(), Options(truncate=True, max_system_tokens=150))
    assert done.request["system"].startswith(IDENTITY)
    assert done.report.system_tokens_after <= 150
    assert optimise(done.request, Options(truncate=True, max_system_tokens=10)).request is done.request


def test_truncation_leaves_what_fits() -> None:
    asked = request()
    assert optimise(asked, Options(truncate=True)).request is asked


def test_smart_keeps_what_the_first_question_asks_for() -> None:
    options = Options(smart=True)
    about_plans = optimise(request(question="plan this"), options)
    other = optimise(request(question="<system-reminder>plan</system-reminder>sort this"), options)
    assert "Lists are kept." in about_plans.request["system"]
    assert "Lists are kept." not in other.request["system"]
    assert "Speak softly" not in other.request["system"]
    assert other.request["system"].endswith(MINE)
    assert other.report.stage == "smart"


def test_a_smart_prompt_that_loses_everything_leaves_it_to_the_filter() -> None:
    prompt = "# Tone and style\na\n# Text output\nb"
    report = optimise(request(prompt), Options(smart=True, safe_filter=True, tier="minimal")).report
    assert report.stage == "passthrough"
    assert report.notes == (
        "The smart prompt would lose everything, so it is not used.",
        "The tier minimal would lose everything, so it is not used.",
    )


def test_blocks_keep_their_marks_and_unknown_ones_are_not_touched() -> None:
    mark = {"type": "ephemeral"}
    odd = {"type": "image", "source": {}}
    system = [
        {"type": "text", "text": IDENTITY},
        odd,
        {"type": "text", "text": PROMPT, "cache_control": mark},
        {"type": "text", "text": "# Tone and style\nSoft.\n# Text output\nShort.", "cache_control": mark},
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


def test_the_allow_list_leaves_tools_out_but_never_the_chosen_one() -> None:
    options = Options(allowed_tools=frozenset({"Edit"}))
    done = optimise(request(), options)
    assert done.request["tools"] == [EDIT]
    assert done.report.tools_left_out == ("Read",)
    chosen = request(tool_choice={"type": "tool", "name": "Read"})
    assert optimise(chosen, options).request is chosen
