from typing import Any

from anyclaude.convert.profile import Profile
from anyclaude.convert.turns import chat_messages

IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.test/a.png"}}
IMAGE_PART = {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}
NOTE = "<system-reminder>\nnote\n</system-reminder>"


def chat(*messages: dict[str, Any], **abilities: Any) -> list[dict[str, Any]]:
    return chat_messages(messages, Profile(**abilities))


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": _content(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": _content(content)}


def system(text: str) -> dict[str, Any]:
    return {"role": "system", "content": text}


def _content(content: tuple[Any, ...]) -> Any:
    if len(content) == 1 and isinstance(content[0], str):
        return content[0]
    return [{"type": "text", "text": block} if isinstance(block, str) else block for block in content]


def call(id_: str, name: str = "Bash", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": arguments}


def result(id_: str, content: Any = "done", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id_, "content": content, **more}


def tool(id_: str, content: str = "done") -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id_, "content": content}


def called(*ids: str, says: str = "") -> dict[str, Any]:
    function = {"name": "Bash", "arguments": "{}"}
    calls = [{"id": id_, "type": "function", "function": function} for id_ in ids]
    return {"role": "assistant", "content": says, "tool_calls": calls}


def test_a_call_with_text_and_its_result() -> None:
    assert chat(user("go"), assistant("On it.", call("t1")), user(result("t1"))) == [
        user("go"),
        called("t1", says="On it."),
        tool("t1"),
    ]


def test_arguments_are_json_text_in_the_order_of_their_keys() -> None:
    said = chat(user("go"), assistant(call("t1", b=1, a={"z": [True]})))[1]
    assert said["tool_calls"][0]["function"] == {"name": "Bash", "arguments": '{"b":1,"a":{"z":[true]}}'}


def test_results_come_in_the_order_of_the_calls() -> None:
    done = user(result("c", "3"), result("a", "1"), result("b", "2"))
    assert chat(user("go"), assistant(call("a"), call("b"), call("c")), done)[2:] == [
        tool("a", "1"),
        tool("b", "2"),
        tool("c", "3"),
    ]


def test_text_beside_results_follows_them() -> None:
    assert chat(user("go"), assistant(call("t1")), user("before", result("t1"), "after", ""))[2:] == [
        tool("t1"),
        user("before\nafter"),
    ]


def test_a_result_without_content_says_so() -> None:
    block = {"type": "tool_result", "tool_use_id": "t1"}
    assert chat(user("go"), assistant(call("t1")), user(block))[2:] == [tool("t1", "(no content)")]


def test_the_texts_of_a_result_are_joined() -> None:
    content = [{"type": "text", "text": "a"}, {"type": "tool_reference", "tool_name": "Read"}]
    assert chat(user("go"), assistant(call("t1")), user(result("t1", content)))[2:] == [
        tool("t1", "a\n[tool Read is loaded]")
    ]


def test_an_image_in_a_result_moves_behind_the_results() -> None:
    shown = result("t1", [{"type": "text", "text": "here"}, IMAGE])
    assert chat(user("go"), assistant(call("t1"), call("t2")), user(shown, result("t2"), "look"))[2:] == [
        tool("t1", "here\n[image: it follows in the user message]"),
        tool("t2"),
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "[image from the result of Bash]"},
                IMAGE_PART,
                {"type": "text", "text": "look"},
            ],
        },
    ]


def test_a_text_model_gets_no_image_from_a_result() -> None:
    answered = chat(user("go"), assistant(call("t1")), user(result("t1", [IMAGE])), images=False)
    assert answered[2:] == [tool("t1", "[image left out: this model takes no images]")]


def test_a_system_entry_is_added_to_the_user_message_that_it_follows() -> None:
    assert chat(user("hi"), system("note")) == [user(f"hi\n{NOTE}")]
    assert chat(user("hi"), system("note"), system("note"), assistant("yes")) == [
        user(f"hi\n{NOTE}\n{NOTE}"),
        assistant("yes"),
    ]


def test_a_system_entry_after_results_is_added_to_the_last_one() -> None:
    answered = chat(user("go"), assistant(call("a"), call("b")), user(result("b"), result("a")), system("note"))
    assert answered[2:] == [tool("a"), tool("b", f"done\n\n{NOTE}")]


def test_a_system_entry_after_results_and_words_stays_behind_the_words() -> None:
    answered = chat(user("go"), assistant(call("a")), user(result("a"), "and now"), system("note"))
    assert answered[2:] == [tool("a"), user(f"and now\n{NOTE}")]


def test_a_system_entry_after_an_image_in_a_result_stays_behind_the_image() -> None:
    answered = chat(user("go"), assistant(call("a")), user(result("a", [IMAGE])), system("note"))
    assert answered[2] == tool("a", "[image: it follows in the user message]")
    assert answered[3]["content"][1:] == [IMAGE_PART, {"type": "text", "text": NOTE}]


def test_an_empty_text_beside_results_is_nothing() -> None:
    assert chat(user("go"), assistant(call("a")), user(result("a"), ""))[2:] == [tool("a")]


def test_a_system_entry_first_or_after_the_assistant_is_a_user_message() -> None:
    assert chat(system("note"), user("hi")) == [user(f"{NOTE}\nhi")]
    assert chat(user("hi"), assistant("yes"), system("note")) == [user("hi"), assistant("yes"), user(NOTE)]


def test_a_system_entry_may_be_a_list_and_an_empty_one_is_nothing() -> None:
    listed = {"role": "system", "content": [{"type": "text", "text": "note", "cache_control": {"type": "ephemeral"}}]}
    assert chat(user("hi"), listed, system("")) == [user(f"hi\n{NOTE}")]


def test_messages_of_one_role_in_a_row_are_one() -> None:
    assert chat(user("a"), user("b\n"), user("c"), assistant("x"), assistant("y", call("t1")), assistant(call("t2")))[
        :2
    ] == [
        user("a\nb\nc"),
        called("t1", "t2", says="x\ny"),
    ]


def test_the_results_of_one_turn_may_come_in_several_messages() -> None:
    assert chat(user("go"), assistant(call("a"), call("b")), user(result("b")), user(result("a")))[2:] == [
        tool("a"),
        tool("b"),
    ]


def test_a_call_without_result_is_interrupted_once_the_user_speaks_again() -> None:
    stopped = "[no result: the call was interrupted]"
    assert chat(user("go"), assistant(call("a"), call("b")), user(result("b"), "stop"))[2:] == [
        tool("a", stopped),
        tool("b"),
        user("stop"),
    ]
    assert chat(user("go"), assistant(call("a")), user("stop"))[2:] == [tool("a", stopped), user("stop")]


def test_a_call_at_the_very_end_is_interrupted_too() -> None:
    assert chat(user("go"), assistant(call("a")))[1:] == [
        called("a"),
        tool("a", "[no result: the call was interrupted]"),
    ]


def test_a_result_without_its_call_becomes_words() -> None:
    orphan = "[result of a tool call that is no longer in this conversation]\ndone"
    assert chat(user(result("gone"), "go")) == [user(f"{orphan}\ngo")]
    late = chat(user("go"), assistant(call("a")), user("wait"), assistant("ok"), user(result("a")))
    assert late[2:] == [tool("a", "[no result: the call was interrupted]"), user("wait"), assistant("ok"), user(orphan)]


def test_a_second_result_of_one_call_becomes_words() -> None:
    answered = chat(user("go"), assistant(call("a")), user(result("a", "1"), result("a", "2")))
    assert answered[2:] == [
        tool("a", "1"),
        user("[result of a tool call that is no longer in this conversation]\n2"),
    ]


def test_an_id_used_again_stands_for_one_call_each() -> None:
    turns = [assistant(call("a"), call("a")), user(result("a", "1"), result("a", "2")), assistant(call("a"))]
    assert chat(user("go"), *turns, user(result("a", "3")))[1:] == [
        called("a", "a_2"),
        tool("a", "1"),
        tool("a_2", "2"),
        called("a_3"),
        tool("a_3", "3"),
    ]


def test_a_made_up_id_gives_way_to_one_that_is_taken() -> None:
    said = chat(user("go"), assistant(call("a_2"), call("a"), call("a"), call("a_3"), call(""), call("")))[1]
    assert [one["id"] for one in said["tool_calls"]] == ["a_2", "a", "a_3", "a_3_2", "call", "call_2"]


def test_short_ids_are_counted_whatever_the_client_calls_them() -> None:
    turns = [user("go"), assistant(call("toolu_x|1"), call("a")), user(result("a"), result("toolu_x|1"))]
    assert chat(*turns, assistant(call("a")), user(result("a")), short_call_ids=True)[1:] == [
        called("call00001", "call00002"),
        tool("call00001"),
        tool("call00002"),
        called("call00003"),
        tool("call00003"),
    ]


def test_thinking_is_dropped_or_carried_in_the_field_of_the_profile() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": ""},
        {"type": "redacted_thinking", "data": "AAAA"},
        "Yes.",
    ]
    assert chat(user("hi"), assistant(*blocks), user("ok"))[1] == assistant("Yes.")
    carried = chat(user("hi"), assistant(*blocks), user("ok"), thinking_field="reasoning_content")[1]
    assert carried == {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}


def test_a_message_with_nothing_to_say_says_so() -> None:
    thought = {"type": "thinking", "thinking": "Hm."}
    assert chat(user(), assistant(thought, ""), user("go on")) == [
        user("(no content)"),
        assistant("(no content)"),
        user("go on"),
    ]
    assert chat(user("go"), assistant(call("t1")), user())[2:] == [tool("t1", "[no result: the call was interrupted]")]


def test_a_last_assistant_message_is_the_beginning_of_the_answer_unless_it_is_empty() -> None:
    assert chat(user("hi"), assistant("{")) == [user("hi"), assistant("{")]
    assert chat(user("hi"), assistant("")) == [user("hi")]


def test_a_conversation_begins_with_the_user() -> None:
    assert chat(assistant("Hello."), user("hi")) == [user("(no content)"), assistant("Hello."), user("hi")]


def test_without_a_tool_template_calls_and_results_are_words() -> None:
    turns = [user("go"), assistant("On it.", call("a", x=1), call("b")), user(result("b", is_error=True), "stop")]
    assert chat(*turns, tools=False) == [
        user("go"),
        assistant('On it.\n[called Bash with {"x":1}]\n[called Bash with {}]'),
        user("[result of Bash]\nError: done\nstop"),
    ]
