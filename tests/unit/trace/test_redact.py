"""Redaction: what must not be written is gone, and what is no secret stays as it was."""

import base64
import json
import zlib
from typing import Any

import pytest

from anyclaude.convert.reasoning import PREFIX, Sealing, Unsealing, opened, sealed
from anyclaude.trace.redact import MARK, Redactor, is_secret_name

NAMES = [
    "Authorization",
    "x-api-key",
    "Cookie",
    "Set-Cookie",
    "Proxy-Authorization",
    "apiKey",
    "access_token",
    "client-secret",
    "PASSWORD",
    "passwd",
    "private_key",
]
FREE = [
    "max_tokens",
    "first_token",
    "input_tokens",
    "cache_read_input_tokens",
    "token_count",
    "tokenizer",
    "model",
    "key",
    "keys",
]

SHAPES = [
    "sk-ant-api03-AbCdEfGhIjKlMnOp",
    "sk-or-v1-0123456789abcdef0123",
    "sk-proj_0123456789abcdef",
    "Bearer abcdef123456.xyz",
    "Basic dXNlcjpwYXNzd29yZA==",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefABCD",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_under_a_secret_name_goes(name: str) -> None:
    value = {"a": [{name: 'quo"te \\ hunter2'}], name: "hunter2", "b": {name: ["hunter2", "hunter2"]}}
    assert is_secret_name(name)
    assert "hunter2" not in json.dumps(Redactor().value(value))


@pytest.mark.parametrize("name", FREE)
@pytest.mark.parametrize("value", [17, "plain", ["plain"], {"type": "string"}])
def test_other_names_keep_their_values(name: str, value: Any) -> None:
    assert Redactor().value({name: value}) == {name: value}


def test_the_schema_of_a_secret_parameter_stays() -> None:
    schema = {"properties": {"api_key": {"type": "string"}}, "required": ["api_key", "x"]}
    assert Redactor().value(schema) == schema


def test_a_number_under_a_secret_name_goes() -> None:
    assert Redactor().value({"password": 12345678, "n": 1}) == {"password": MARK, "n": 1}


def test_quotes_in_strings_do_not_look_like_keys() -> None:
    value = {"text": 'say "password" and ,"token" or {"x": "secret"} , or password: "x"', "end": "\\"}
    assert Redactor().value(value) == value


@pytest.mark.parametrize("secret", ["hunter2", 'hun"ter2', "hun\\ter2", "hunter2\n", "\\", '\\"', 12345])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_names_count_in_json_in_json(secret: object, indent: int | None, depth: int) -> None:
    value: Any = {"n": 1, "my_password": secret, "list": [{"api-key": secret}], "path": "C:\\x\\", "last": '"q"'}
    for _ in range(depth):
        value = {"inner": json.dumps(value, indent=indent), "end": "\\"}
    found = Redactor().value(value)
    assert found["end"] == "\\"
    for _ in range(depth):
        found = json.loads(found["inner"])
    assert found["my_password"] == found["list"][0]["api-key"] == MARK
    assert (found["n"], found["path"], found["last"]) == (1, "C:\\x\\", '"q"')


@pytest.mark.parametrize("shape", SHAPES)
def test_keys_go_by_their_shape(shape: str) -> None:
    redactor = Redactor()
    secret = shape.split("\n")[1] if "\n" in shape else shape.split(" ")[-1]
    for text in (shape, f"see {shape}, there", f"x='{shape}'"):
        assert secret not in redactor.text(text)
        assert secret not in json.dumps(redactor.value({"text": text, "after": 1}))
        assert redactor.value({"text": text, "after": 1})["after"] == 1


@pytest.mark.parametrize("text", ["task-0123456789abcdef", "the Bearer of news", "Basic usage", "gh pr list", "eyJ"])
def test_plain_text_stays(text: str) -> None:
    assert Redactor().text(text) == text


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2@host/x",
        "https://hunter2@host/x",
        "https://host/x?a=1&api_key=hunter2&b=2",
        "https://host/?key=hunter2",
        "https://host/?access_token=hunter2#top",
        "export OPENROUTER_API_KEY=hunter2",
        'DB_PASSWORD="hunter2"',
    ],
)
def test_urls_and_assignments(url: str) -> None:
    assert "hunter2" not in Redactor().text(url)
    assert "hunter2" not in json.dumps(Redactor().value([url]))


@pytest.mark.parametrize("secret", ["plain-hidden", 'quo"te\\back', "ünïcödé-hidden", "slash/and space+plus"])
def test_known_secrets_go_in_every_form(secret: str) -> None:
    redactor = Redactor([secret, "short"])
    inner = json.dumps({"a": secret}, ensure_ascii=False)
    found = redactor.value({"a": f"x{secret}y", "b": {secret: inner}, "short": "short"})
    assert found == {"a": f"x{MARK}y", "b": {MARK: json.dumps({"a": MARK})}, "short": "short"}
    assert redactor.text(f"<{secret}>") == f"<{MARK}>"


def test_headers_by_name_and_by_value() -> None:
    found = Redactor(["known-secret"]).headers({"X-Api-Key": "a", "Host": "h", "Via": "known-secret"})
    assert found == {"X-Api-Key": MARK, "Host": "h", "Via": MARK}


def envelope(text: str) -> str:
    sealing = Sealing("m")
    sealing.add([{"type": "reasoning.text", "text": text, "index": 0}])
    found = sealing.seal()
    assert found
    return found


def redacted(signature: str, redactor: Redactor) -> str:
    found: str = redactor.value({"content": [{"type": "thinking", "signature": signature}], "after": 1})["content"][0][
        "signature"
    ]
    return found


@pytest.mark.parametrize("secret", ["known-hidden", "sk-ant-api03-AbCdEfGhIjKlMnOp"])
def test_a_secret_in_an_envelope_goes_and_the_envelope_stays_one(secret: str) -> None:
    found = redacted(envelope(f"the key is {secret}, so"), Redactor(["known-hidden"]))
    assert Unsealing("m").details([found]) == [{"type": "reasoning.text", "text": f"the key is {MARK}, so", "index": 0}]


def test_a_name_in_an_envelope_counts_also_where_its_json_is_spaced() -> None:
    found = redacted(sealed(b'{"details": [{"api_key": "hunter2"}]}'), Redactor())
    assert json.loads(opened(found)) == {"details": [{"api_key": MARK}]}


def test_an_envelope_without_secrets_stays_as_it_was() -> None:
    assert redacted(envelope("nothing"), Redactor(["known-hidden"])) == envelope("nothing")


@pytest.mark.parametrize(
    "packed", [b"no zlib known-hidden", zlib.compress(b"no JSON known-hidden"), zlib.compress(b"x" * 5_000_000), b""]
)
def test_an_envelope_that_cannot_be_looked_into_is_not_kept(packed: bytes) -> None:
    signature = PREFIX + base64.b64encode(packed).decode()
    assert redacted(signature, Redactor(["known-hidden"])) == PREFIX + MARK


def test_an_envelope_in_an_envelope_is_not_opened() -> None:
    found = redacted(envelope(envelope("known-hidden")), Redactor(["known-hidden"]))
    assert Unsealing("m").details([found])[0]["text"] == MARK


def test_other_base64_is_left_alone() -> None:
    image = base64.b64encode(bytes(range(256)) * 100).decode()
    assert Redactor(["known-hidden"]).value({"data": image}) == {"data": image}


def test_a_long_text_lets_others_run() -> None:
    pauses: list[None] = []
    redactor = Redactor(pause=lambda: pauses.append(None))
    redactor.value({"text": "short"})
    assert not pauses
    redactor.value({"text": "word " * 20_000})
    assert pauses
