import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anyclaude.errors import InternalError, InvalidRequest
from anyclaude.wire.json import MAX_DEPTH, decode_lenient, decode_object, encode, encode_with, mend

HIGH, LOW = "\ud83d", "\ude00"

plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
any_text = st.text(st.characters(codec=None, exclude_categories=()))
any_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner),
)
brackets = [b"{", b"}", b"[", b"]", b"[" * 300, b"]" * 300, b'{"a":' * 300, b"}" * 300]
scalars = [b'"a"', b"1", b"e9", b".", b"9" * 400, b"NaN", b"null", b"\\ud800", b'"', b"-"]
marks = [b",", b":", b" ", b"\n", b"\x00", b"\xff", b"\xef\xbb\xbf"]
one_piece = st.sampled_from([*brackets, *scalars, *marks]) | st.binary(max_size=4)
pieces_of_json = st.lists(one_piece, max_size=30).map(b"".join)


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        decode_object(body)
    return caught.value.message


def endless() -> list[Any]:
    """A list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


class TestDecodeObject:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "it is empty"),
            (b" \n ", "it is empty"),
            (b'{"a": 1,\n "b" 2}', "at line 2, column 6"),
            (b'{"a": NaN}', "NaN and Infinity are not JSON at line 1, column 7"),
            (b'{"a": Infinity}', "NaN and Infinity are not JSON at line 1, column 7"),
            (b'{"a": -Infinity}', "NaN and Infinity are not JSON"),
            (b'{"a": 1e999}', "a number is too large at line 1, column 7"),
            pytest.param(b'{"a": ' + b"9" * 5000 + b"}", "a number is too large", id="5000 digits"),
            (b'{"a": "\\ud83d", }', "a surrogate escape stands alone in a string at line 1, column"),
            (b'{"a": "\\ude00", "b": NaN}', "a surrogate escape stands alone in a string"),
            (b'{"a": "\\ude00", "b": 1' + b"0" * 400 + b"}", "a surrogate escape stands alone in a string"),
            (b'{"a": "\\ude00", "b": 1e999}', "a surrogate escape stands alone in a string"),
            (b'{"a": "\\ude00", "b": ' + b"[" * 300 + b"]" * 300 + b"}", "a surrogate escape stands alone"),
            (b'{"a": "\xed\xa0\xbd"}', "it is not UTF-8 text"),
            (b'{"a": "\xff"}', "it is not UTF-8 text"),
            ('{"a": "b"}'.encode("utf-16"), "it is not UTF-8 text"),
            (b"\xef\xbb\xbf{}", "it starts with a byte order mark"),
            (b"{} x", "at line 1, column 4"),
            (b"{}\x00", "at line 1, column 3"),
            (b'{"a": "\x01"}', "control character"),
            (b'{"a": "b', "at line 1, column 9"),
            (b'{"a": 1,}', "trailing comma is not allowed at line 1, column 8"),
        ],
    )
    def test_says_what_is_wrong(self, body: bytes, words: str) -> None:
        said = refusal(body)
        assert said.startswith("The request body is not valid JSON: ")
        assert words in said
        assert said.endswith(".")

    @pytest.mark.parametrize("body", [b"null", b"[]", b'"{}"', b"1", b"true"])
    def test_only_an_object_is_a_request(self, body: bytes) -> None:
        assert refusal(body) == "The request body must be a JSON object."

    @pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1024, 1025, 100_000, 2_000_000])
    @pytest.mark.parametrize("ends", [(b"[", b"]"), (b'{"a":', b"}")])
    def test_deep_nesting_is_refused(self, depth: int, ends: tuple[bytes, bytes]) -> None:
        body = b'{"a":' + ends[0] * (depth - 1) + b"1" + ends[1] * (depth - 1) + b"}"
        assert refusal(body) == f"The request body is not valid JSON: it is nested more than {MAX_DEPTH} levels deep."

    def test_unclosed_nesting_is_refused(self) -> None:
        assert "nested" in refusal(b'{"a":' * 1_000_000)

    @pytest.mark.parametrize("leaf", [b"", b"1", b'"a"'])
    def test_nesting_up_to_the_limit_is_read_and_can_be_written(self, leaf: bytes) -> None:
        body = b'{"a":' + b"[" * (MAX_DEPTH - 1) + leaf + b"]" * (MAX_DEPTH - 1) + b"}"
        assert encode(decode_object(body)) == body

    def test_a_value_nested_to_the_limit_can_be_wrapped_and_written(self) -> None:
        body = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
        wrapped = encode([[decode_object(body)]])
        assert wrapped == b"[[" + body + b"]]"

    def test_the_last_of_duplicate_keys_wins(self) -> None:
        assert decode_object(b'{"a": 1, "a": 2}') == {"a": 2}

    def test_unknown_fields_survive(self) -> None:
        assert decode_object(b'{"new": {"field": [null, true]}}') == {"new": {"field": [None, True]}}

    @pytest.mark.parametrize("number", [2**64 - 1, -(2**63)])
    def test_integers_of_64_bits_are_exact(self, number: int) -> None:
        assert decode_object(b'{"a":%d}' % number) == {"a": number}

    def test_a_larger_integer_is_the_nearest_double(self) -> None:
        """What JavaScript makes of it too, so that a conversation that holds one goes on."""
        assert decode_object(b'{"a":123456789012345678901}') == {"a": 123456789012345678901.0}

    def test_a_surrogate_pair_is_one_character(self) -> None:
        assert decode_object(b'{"a":"\\ud83d\\ude00"}') == {"a": "😀"}

    @pytest.mark.parametrize(
        ("written", "read"),
        [
            ("\\ud83d", "\ufffd"),
            ("a\\ude00\\ud83db", "a\ufffd\ufffdb"),
            ("\\ud83d\\ude00\\ud83d", "😀\ufffd"),
            ("\\\\ud83d \\ud83d", "\\ud83d \ufffd"),
        ],
    )
    def test_half_a_character_is_mended(self, written: str, read: str) -> None:
        """Claude Code sends what a tool cut in two, and again with every later request."""
        for body in (f'{{"a":"{written}"}}', f'{{"{written}":[{{"a":"é{written}"}}],"n":1.5}}'):
            value = decode_object(body.encode())
            assert read in str(list(value.items())).replace("\\\\", "\\")

    def test_the_place_counts_characters(self) -> None:
        assert "line 1, column 13" in refusal('{"a": "é😀", x}'.encode())

    def test_the_reason_does_not_quote_the_body(self) -> None:
        assert "secret" not in refusal(b'{"key": "secret", secret}')

    @given(plain_values)
    def test_reads_what_was_written(self, value: Any) -> None:
        assert decode_object(encode({"a": value})) == {"a": value}

    @given(st.binary() | pieces_of_json)
    def test_any_body_is_an_object_or_an_invalid_request(self, body: bytes) -> None:
        try:
            decoded = decode_object(body)
        except InvalidRequest as error:
            assert error.message.endswith(".")  # noqa: PT017 - either outcome is right
        else:
            assert isinstance(decoded, dict)
            encode(decoded)


class TestDecodeLenient:
    def test_reads_text_and_bytes(self) -> None:
        assert decode_lenient(b' {"a":1}\n') == decode_lenient('{"a":1}') == {"a": 1}

    @pytest.mark.parametrize(
        "text",
        [
            pytest.param(b"", id="empty"),
            pytest.param(b"<html>", id="html"),
            pytest.param(b"[DONE]", id="done"),
            pytest.param(b'{"a":', id="cut"),
            pytest.param(b'{"a":"\xff"}', id="not UTF-8"),
            pytest.param(b"\xef\xbb\xbf{}", id="byte order mark"),
            pytest.param("\ud800", id="not text"),
            pytest.param(b"9" * 5000, id="5000 digits"),
            pytest.param(b"[" * 100_000, id="deep and cut"),
            pytest.param(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), id="too deep"),
            pytest.param(b'["\\ud83d",' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"]", id="too deep, half a character"),
            pytest.param(b'{"a":"\\ud83d","b":' * 5000 + b"1" + b"}" * 5000, id="very deep, half a character"),
        ],
    )
    def test_what_cannot_be_used_is_none(self, text: str | bytes) -> None:
        assert decode_lenient(text) is None

    def test_halves_of_a_character_survive_for_the_reader_to_join(self) -> None:
        deltas = [decode_lenient(b'{"t":"a\\ud83d"}'), decode_lenient(b'{"t":"\\ude00b"}')]
        assert mend("".join(delta["t"] for delta in deltas if delta)) == "a😀b"

    def test_takes_what_servers_write_though_it_is_not_json(self) -> None:
        read = decode_lenient(b'{"logprob":NaN,"text":"a\x01\tb","top":-Infinity}')
        assert read is not None
        assert math.isnan(read["logprob"])
        assert read["text"] == "a\x01\tb"
        assert read["top"] == -math.inf

    def test_nesting_up_to_the_limit_is_read(self) -> None:
        for start in (b"[", b'["\\ud83d",'):
            text = start + b"[" * (MAX_DEPTH - 1) + b"]" * MAX_DEPTH
            assert decode_lenient(text) is not None

    @given(st.binary() | pieces_of_json | st.text().map(orjson.dumps) | any_text)
    def test_never_raises_and_gives_what_can_be_written(self, text: str | bytes) -> None:
        encode(decode_lenient(text))


class TestEncode:
    def test_is_compact_utf8(self) -> None:
        assert encode({"a": [1, "é😀"], "b": None}) == '{"a":[1,"é😀"],"b":null}'.encode()

    @pytest.mark.parametrize(
        ("value", "written"),
        [
            ("a" + HIGH + "b", '"a�b"'),
            (LOW, '"�"'),
            (HIGH + LOW, '"😀"'),
            (LOW + HIGH, '"��"'),
            ({HIGH: [{"a": LOW}]}, '{"�":[{"a":"�"}]}'),
            ((HIGH, "é😀\u2028"), '["�","é😀\u2028"]'),
            (2**64, "18446744073709551616"),
            ([-(2**63) - 1, 1.5, True], "[-9223372036854775809,1.5,true]"),
            ([math.nan, math.inf], "[null,null]"),
            ([2**64, math.nan, -math.inf], "[18446744073709551616,null,null]"),
            ([HIGH, '"\\\n\x00'], '["�","\\"\\\\\\n\\u0000"]'),
        ],
    )
    def test_writes_what_can_be_written(self, value: Any, written: str) -> None:
        assert encode(value) == written.encode()

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param(b"bytes", id="bytes"),
            pytest.param({"a": object()}, id="object"),
            pytest.param({1: 2}, id="key is a number"),
            pytest.param({"a": {None: 1}}, id="key is null"),
            pytest.param(10**5000, id="5001 digits"),
            pytest.param(endless(), id="holds itself"),
        ],
    )
    def test_a_value_that_is_not_json_is_our_own_fault(self, value: Any) -> None:
        with pytest.raises(InternalError):
            encode(value)

    @given(any_values)
    def test_any_json_value_is_written_and_read_back(self, value: Any) -> None:
        decode_lenient(encode(value).decode())

    @given(plain_values)
    def test_both_ways_of_writing_say_the_same(self, value: Any) -> None:
        assert orjson.loads(encode([value, 2**64])) == [value, 2.0**64]


class TestEncodeWith:
    @given(plain_values)
    def test_is_what_would_be_written_without_the_parts(self, value: Any) -> None:
        whole = {"model": "m", "part": value, "end": 1}
        assert encode_with(whole, {"part": encode(value)}) == encode(whole)

    def test_a_value_that_has_to_be_mended_is_written_all_the_same(self) -> None:
        whole = {"part": ["x"], "stop": ["half \ud83d"]}
        assert encode_with(whole, {"part": b'["x"]'}) == encode(whole)


class TestMend:
    @given(st.text())
    def test_leaves_what_is_right(self, text: str) -> None:
        assert mend(text) == text

    @given(any_text)
    def test_always_gives_utf8_and_is_done_at_once(self, text: str) -> None:
        mended = mend(text)
        mended.encode()
        assert mend(mended) == mended
