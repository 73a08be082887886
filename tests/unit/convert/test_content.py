import pytest
from hypothesis import given

from anyclaude.convert.content import (
    chat_content,
    join_texts,
    piece_of,
    pieces_of,
    result_pieces,
    system_text,
    without_images,
)
from anyclaude.convert.profile import Profile
from tests.support.conversations import TEXTS

PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}}
PNG_PART = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0K"}}


def text(words: str, **more: object) -> dict[str, object]:
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        ([], ""),
        (["X"], "X"),
        (["X", "Y"], "X\nY"),
        (["X\n", "Y"], "X\nY"),
        (["X", "\nY"], "X\nY"),
        (["X\n\n", "Y"], "X\n\nY"),
        (["X", "", "Y"], "X\nY"),
        (["", ""], ""),
    ],
)
def test_a_seam_gets_a_newline_where_it_has_none(texts: list[str], joined: str) -> None:
    assert join_texts(texts) == joined


@given(TEXTS, TEXTS, TEXTS)
def test_joining_in_steps_is_joining_at_once(a: str, b: str, c: str) -> None:
    assert join_texts([join_texts([a, b]), c]) == join_texts([a, join_texts([b, c])]) == join_texts([a, b, c])


@pytest.mark.parametrize(
    ("system", "prompt"),
    [
        (None, ""),
        ("Be brief.", "Be brief."),
        ([text("You are an agent."), text("\nBe brief.")], "You are an agent.\nBe brief."),
        ([text("x-anthropic-billing-header: cc_version=1; cch=5a607;"), text("Be brief.")], "Be brief."),
        ("x-anthropic-billing-header: cc_version=1;\nBe brief.", "Be brief."),
        ([text("x-anthropic-billing-header: cc_version=1;")], ""),
        ([text("Say x-anthropic-billing-header: never.")], "Say x-anthropic-billing-header: never."),
        ([text("Be brief.", cache_control={"type": "ephemeral"}), text("")], "Be brief."),
        ([], ""),
    ],
)
def test_the_system_prompt_is_one_text_without_the_attribution_line(system: object, prompt: str) -> None:
    assert system_text(system) == prompt  # type: ignore[arg-type]


def test_texts_alone_are_one_string_however_they_were_cut() -> None:
    assert chat_content(pieces_of([text("a"), text("b", citations=[])], Profile())) == "a\nb"
    assert chat_content(pieces_of("a\nb", Profile())) == "a\nb"
    assert chat_content([]) == "(no content)"


def test_an_image_makes_parts_and_the_texts_around_it_stay_whole() -> None:
    pieces = pieces_of([text("a"), text("b"), PNG, text("c"), text("")], Profile())
    assert chat_content(pieces) == [
        {"type": "text", "text": "a\nb"},
        PNG_PART,
        {"type": "text", "text": "c"},
    ]


def test_an_image_by_url_keeps_its_url() -> None:
    block = {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}}
    assert piece_of(block, Profile()) == {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}


@pytest.mark.parametrize("source", [None, "x", {"type": "file", "file_id": "f"}, {"type": "base64", "data": 1}])
def test_an_image_that_cannot_be_sent_leaves_a_line(source: object) -> None:
    assert piece_of({"type": "image", "source": source}, Profile()) == (
        "[image left out: its source cannot be used here]"
    )


def test_a_text_model_is_told_of_the_image() -> None:
    assert piece_of(PNG, Profile(images=False)) == "[image left out: this model takes no images]"


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"source": {"type": "text", "media_type": "text/plain", "data": "notes"}}, "[document]\nnotes"),
        ({"title": "Plan", "source": {"type": "text", "data": "notes"}}, '[document "Plan"]\nnotes'),
        ({"source": {"type": "content", "content": "notes"}}, "[document]\nnotes"),
        ({"source": {"type": "content", "content": [text("a"), PNG, 7]}}, "[document]\na\n[image]"),
        ({"source": {"type": "url", "url": "https://example.test/a.pdf"}}, "[document: https://example.test/a.pdf]"),
        (
            {"title": "Plan", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}},
            '[document "Plan" left out: application/pdf cannot be read here]',
        ),
        ({"source": {"type": "file"}}, "[document left out: its source cannot be used here]"),
        ({}, "[document left out: its source cannot be used here]"),
    ],
)
def test_a_document_is_its_text_or_a_line_that_names_it(block: dict[str, object], line: str) -> None:
    assert piece_of({"type": "document", **block}, Profile()) == line


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"type": "hologram"}, "[hologram]"),
        ({"type": "hologram", "text": "words"}, "words"),
        ({"type": "hologram", "content": 5}, "[hologram]"),
        ({"type": "server_tool_use", "id": "s", "name": "web_search"}, "[server_tool_use: web_search]"),
        ({"type": "tool_reference", "tool_name": "Bash"}, "[tool Bash is loaded]"),
        (
            {
                "type": "web_search_tool_result",
                "content": [{"type": "web_search_result", "title": "Docs", "url": "https://example.test"}],
            },
            "[web_search_tool_result]\n[web_search_result: Docs, https://example.test]",
        ),
        (
            {"type": "search_result", "title": "Docs", "source": "https://example.test", "content": [text("found")]},
            "[search_result: Docs, https://example.test]\nfound",
        ),
    ],
)
def test_an_unknown_block_is_its_text_or_its_type(block: dict[str, object], line: str) -> None:
    assert piece_of(block, Profile()) == line


@pytest.mark.parametrize(
    ("content", "is_error", "pieces"),
    [
        ("ok", False, ["ok"]),
        ("ok", None, ["ok"]),
        ("Exit code 1", True, ["Error: Exit code 1"]),
        ("<tool_use_error>InputValidationError: x</tool_use_error>", True, None),
        ("." * 300 + "error", True, ["Error: " + "." * 300 + "error"]),
        ([PNG], True, ["Error: ", PNG_PART]),
        ([text("a"), text("b")], True, ["Error: a", "b"]),
        (None, True, ["Error: "]),
        (None, False, []),
    ],
)
def test_an_error_is_marked_unless_it_says_so(content: object, is_error: object, pieces: list[object] | None) -> None:
    block = {"type": "tool_result", "tool_use_id": "t", "content": content, "is_error": is_error}
    assert result_pieces(block, Profile()) == (pieces or ([content] if content else []))


def test_a_pdf_is_a_file_where_the_server_reads_them() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    block = {"type": "document", "source": source, "title": "Terms"}
    part = piece_of(block, Profile(documents=True))
    assert part == {
        "type": "file",
        "file": {"filename": "Terms", "file_data": "data:application/pdf;base64,JVBE"},
    }
    assert piece_of(block, Profile()) == '[document "Terms" left out: application/pdf cannot be read here]'
    text, following = without_images(["Read.", part], "Read")
    assert text == "Read.\n[document: it follows in the user message]"
    assert following == ["[document from the result of Read]", part]
