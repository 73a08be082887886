"""How models write tool calls, by the name of mlx-lm's parser: the grammar of a call, and who reads it as it grows.

A format that is not listed is neither constrained nor streamed: its calls are handed out when mlx-lm's parser takes
them. Grammars are in llguidance's dialect of Lark (docs/syntax.md of its repository). Each gives the rule `inside`:
what stands between the opening marker and the end, and its closing marker.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from mlx_worker.call_reader import CallReader, headed_json, json_array, tagged_json
from mlx_worker.call_tags import Tags, tagged_values, types_of

Schema = Mapping[str, Any]
SPACES = "SP: /[ \\n]/\nLINE: /\\n/"
ONE_LINE = "[ ]?"
"""White space inside arguments: at most a space, as models were taught. More would let a model pad forever."""


@dataclass(frozen=True, slots=True)
class CallMarkers:
    """The markers as text. `mark` gives the symbol of one in a grammar, `has_token` says if one token is that text."""

    start: str
    end: str
    mark: Callable[[str], str]
    has_token: Callable[[str], bool]


Body = Callable[[CallMarkers, Mapping[str, Schema], bool], list[str]]
Reader = Callable[[CallMarkers, Mapping[str, Schema]], CallReader]


@dataclass(frozen=True, slots=True)
class CallFormat:
    """`body(markers, schemas by tool, parallel)`: the rules. `to_the_end`: calls go on until the turn ends."""

    body: Body
    reader: Reader
    to_the_end: bool = False


def literal(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def json_rule(schema: Any, whitespace: str = ONE_LINE) -> str:
    """Unknown keywords are left out rather than refused; of several alternatives one must match, not exactly one."""
    options = {"lenient": True, "coerce_one_of": True, "whitespace_pattern": whitespace}
    return "%json " + json.dumps({**schema, "x-guidance": options}, ensure_ascii=False)


# -- JSON -----------------------------------------------------------------------------------------------------------


def _named_objects(schemas: Mapping[str, Schema]) -> list[str]:
    """The rule `call`: `{"name": "f", "arguments": {...}}`."""
    alternatives = " | ".join(f"t{i}" for i in range(len(schemas)))
    rules = [f'call: "{{" SP? "\\"name\\":" SP? ({alternatives}) SP? "}}"', SPACES]
    for i, (name, schema) in enumerate(schemas.items()):
        rules.append(f't{i}: {literal(literal(name) + ",")} SP? "\\"arguments\\":" SP? a{i}')
        rules.append(f"a{i}: {json_rule(schema)}")
    return rules


def _tagged_json_body(markers: CallMarkers, schemas: Mapping[str, Schema], parallel: bool) -> list[str]:
    return [f"inside: SP? call SP? {markers.mark(markers.end)}", *_named_objects(schemas)]


def _mistral_body(markers: CallMarkers, schemas: Mapping[str, Schema], parallel: bool) -> list[str]:
    """Newer vocabularies have a token between name and arguments, older ones an array of objects."""
    if not markers.has_token(ARGS):
        more = '("," SP? call)*' if parallel else ""
        return [f'inside: SP? "[" call {more} "]"', *_named_objects(schemas)]
    more = f"({markers.mark(markers.start)} call)*" if parallel else ""
    alternatives = " | ".join(f"t{i}" for i in range(len(schemas)))
    rules = [f"inside: call {more}", f"call: SP? ({alternatives})", SPACES]
    for i, (name, schema) in enumerate(schemas.items()):
        rules += [f"t{i}: {literal(name)} {markers.mark(ARGS)} SP? a{i}", f"a{i}: {json_rule(schema)}"]
    return rules


def _mistral_reader(markers: CallMarkers, schemas: Mapping[str, Schema]) -> CallReader:
    headed = partial(headed_json, start=markers.start, header_end=ARGS)
    return CallReader(headed if markers.has_token(ARGS) else json_array)


ARGS = "[ARGS]"
TAGGED_JSON = CallFormat(_tagged_json_body, lambda markers, schemas: CallReader(partial(tagged_json, end=markers.end)))
MISTRAL = CallFormat(_mistral_body, _mistral_reader, to_the_end=True)


# -- tags -----------------------------------------------------------------------------------------------------------


def _tags_body(markers: CallMarkers, schemas: Mapping[str, Schema], parallel: bool, *, tags: Tags) -> list[str]:
    """Arguments come in the schema's order, each at most once, those required exactly once."""
    alternatives = " | ".join(f"t{i}" for i in range(len(schemas)))
    rules = [f"inside: SP? ({alternatives}) SP? {markers.mark(markers.end)}", SPACES]
    for i, (name, schema) in enumerate(schemas.items()):
        properties, required = schema.get("properties") or {}, schema.get("required") or ()
        parts = " ".join(f"p{i}_{j}{'' if key in required else '?'}" for j, key in enumerate(properties))
        closing = literal(tags.call_close) if tags.call_close else ""
        rules.append(f"t{i}: {literal(tags.call_open + name + tags.name_end)} SP? {parts} {closing}")
        for j, (key, value) in enumerate(properties.items()):
            rules += _value(f"{i}_{j}", _opening(key, tags, markers), value, schema, tags, markers)
    return rules


def _opening(key: str, tags: Tags, markers: CallMarkers) -> str:
    if not tags.value_open:
        return literal(tags.param_open + key + tags.key_end)
    between = "SP? " + markers.mark(tags.value_open)
    return f"{markers.mark(tags.param_open)} {literal(key)} {markers.mark(tags.key_end)} {between}"


def _value(at: str, opening: str, schema: Any, root: Schema, tags: Tags, markers: CallMarkers) -> list[str]:
    """The rule `p...` of one argument. A text is written without quotes and may hold anything but the closing tag;
    of what a schema asks of it, only a choice of values is held."""
    kinds, ending = types_of(schema), markers.mark(tags.param_close)
    line = "LINE?" if tags.lines else ""
    if choices := _choices(schema):
        choice = " | ".join(literal(one if isinstance(one, str) else json.dumps(one)) for one in choices)
        return [f"p{at}: {opening} {line} ({choice}) {line} {ending} SP?"]
    if not kinds or "string" in kinds:
        if markers.has_token(tags.param_close):  # no text holds a token that is a marker
            return [f"p{at}: {opening} v{at} {ending} SP?", f"v{at}: /(.|\\n)*/"]
        return [f"p{at}: {opening} v{at} SP?", f"v{at}[suffix={ending}]: /(.|\\n)*/"]
    shared = {name: root[name] for name in ("$defs", "definitions") if name in root}
    boolean = '| "True" | "False"' if kinds == {"boolean"} else ""
    return [
        f"p{at}: {opening} SP? (v{at} {boolean}) SP? {ending} SP?",
        f"v{at}: {json_rule({**shared, **schema})}",
    ]


def _choices(schema: Any) -> list[Any]:
    if not isinstance(schema, Mapping):
        return []
    return schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []


def _tags_format(tags: Tags) -> CallFormat:
    def reader(markers: CallMarkers, schemas: Mapping[str, Schema]) -> CallReader:
        return CallReader(partial(tagged_values, tags=tags, end=markers.end, schemas=schemas))

    return CallFormat(partial(_tags_body, tags=tags), reader)


QWEN_CODER = Tags("<function=", ">", "<parameter=", ">", "</parameter>", "</function>")
MINIMAX = Tags('<invoke name="', '">', '<parameter name="', '">', "</parameter>", "</invoke>")
GLM = Tags("", "", "<arg_key>", "</arg_key>", "</arg_value>", "", value_open="<arg_value>", lines=False)

FORMATS: Mapping[str, CallFormat] = {
    "json_tools": TAGGED_JSON,
    "mistral": MISTRAL,
    "qwen3_coder": _tags_format(QWEN_CODER),
    "minimax_m2": _tags_format(MINIMAX),
    "glm47": _tags_format(GLM),
}
