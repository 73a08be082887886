"""What the first question keeps."""

from typing import Any

import pytest

from anyclaude.prompt.sections import split
from anyclaude.prompt.smart import choose_sections, first_question
from tests.unit.prompt.prompts import PROMPT


def headings(question: str) -> list[str]:
    return [section.heading for section in choose_sections(split([PROMPT]), question)]


def test_advice_that_was_not_asked_for_goes() -> None:
    everything = [section.heading for section in split([PROMPT])]
    assert headings("plan the shelf") == everything
    assert headings("sort the shelf") == [heading for heading in everything if heading != "Task Management"]


@pytest.mark.parametrize(
    ("messages", "question"),
    [
        ([{"role": "user", "content": "first"}, {"role": "user", "content": "second"}], "first"),
        ([{"role": "system", "content": "no"}, {"role": "user", "content": "yes"}], "yes"),
        ([{"role": "user", "content": "<system-reminder>a</system-reminder>\n b"}], "b"),
        ([{"role": "user", "content": "<system-reminder>never closed"}], ""),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image"},
                        {"type": "text", "text": "<system-reminder>a</system-reminder>"},
                        {"type": "text", "text": "b"},
                    ],
                }
            ],
            "b",
        ),
        ([{"role": "user", "content": 4}], ""),
        ([4], ""),
        (None, ""),
    ],
)
def test_the_first_question_is_the_users_first_words(messages: Any, question: str) -> None:
    assert first_question(messages) == question
