"""From what a request asks for to a compiled grammar: its tools, the shape of its answer, the model's call format.

Slow (milliseconds for each tool), so it is done once and off the engine's thread; any thread may ask. Schemas come from
clients and their MCP servers: what the library refuses is loosened until it takes it, and said once in the log. Its own
limits bound a hostile schema; what is larger than `LARGEST` is not shown to it at all.
"""

import hashlib
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import llguidance.hf
from llguidance import LLMatcher, LLParserLimits, LLTokenizer

from mlx_worker.call_formats import FORMATS, CallFormat, CallMarkers, Schema, json_rule, literal
from mlx_worker.call_reader import CallReader
from mlx_worker.constraint import Grammar, Vocabulary
from mlx_worker.generation import AnswerShape

log = logging.getLogger("mlx_worker")

KEPT = 16
LARGEST = 1 << 16
LARGEST_SUM = 1 << 20
"""Characters of one schema, and of all that a request brings. Claude Code's 25 tools have some 30,000 together."""
WIDEST = 10_000
"""Grammar items side by side: some four for each tool that may be named, or for each member that may be left out."""
SPACED = "(\\n[ ]{0,24}|[ ])?"
"""White space in an answer of a given schema: a line break and its indentation, or a space."""
ANY_OBJECT: Schema = {"type": "object"}
STRUCTURE = ("type", "properties", "required", "items", "enum", "const", "anyOf", "additionalProperties")
HEAD = "%llguidance {}"


class Grammars:
    """`call_format` None: calls of this model cannot be held to a grammar, only answers of a given schema can."""

    def __init__(self, tokens: LLTokenizer, call_format: CallFormat | None = None, **markers: str) -> None:
        """`markers`: call_start, call_end, think_start and think_end, where the model has them."""
        call_end = markers.pop("call_end", "")
        self.words = Vocabulary(tokens, **markers)
        self._format = call_format
        self._markers = CallMarkers(markers.get("call_start", ""), call_end, self._mark, self._has_token)
        self._limits = LLParserLimits(max_items_in_row=WIDEST, step_max_items=10 * WIDEST, verbose_errors=False)
        self._known: OrderedDict[bytes, Grammar | None] = OrderedDict()
        self._fitted: OrderedDict[str, Schema] = OrderedDict()
        self._lock = threading.Lock()

    def _mark(self, text: str) -> str:
        """A marker's symbol in a grammar: its token if it is one, else its text."""
        token = self.words.single(text)
        return literal(text) if token is None else f"<[{token}]>"

    def _has_token(self, text: str) -> bool:
        return self.words.single(text) is not None

    def live_call(self, tools: Sequence[Mapping[str, Any]]) -> CallReader | None:
        """The reader of one call, from behind its opening marker; None: calls are not held."""
        return self._format.reader(self._markers, _offered(tools)) if self._format else None

    def get(self, tools: Sequence[Mapping[str, Any]], shape: AnswerShape) -> Grammar | None:
        """None: this answer is free. Slow when these tools and this shape are new."""
        if shape.schema is None and not tools:
            return None
        try:
            key = _key(tools, shape)
            with self._lock:
                if key in self._known:
                    self._known.move_to_end(key)
                    return self._known[key]
            grammar = self._compile(tools, shape)
        except RecursionError:
            log.warning("a schema is nested too deep to be held to a grammar; the answer is free")
            return None
        with self._lock:
            self._known[key] = grammar
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return grammar

    # -- compiling ------------------------------------------------------------------------------------------------

    def _compile(self, tools: Sequence[Mapping[str, Any]], shape: AnswerShape) -> Grammar | None:
        schemas = self._schemas({name: schema for name, schema in _offered(tools).items() if shape.may_call(name)})
        for offered in (schemas, dict.fromkeys(schemas, ANY_OBJECT)):
            rules = self._call_rules(offered, shape) if offered else []
            if shape.must_call and not rules:
                log.warning("calls in this model's format cannot be forced; it is asked, and answers as it likes")
                return None
            call = self._matcher(["start: inside", *rules]) if rules else None
            starts = self._starts(shape, rules)
            whole = self._matcher([*starts, *rules]) if starts else None
            if (call or not rules) and (whole or not starts):
                free_after = shape.parallel and whole is None
                return Grammar(call, whole, again=free_after) if call or whole else None
        return None

    def _schemas(self, offered: Mapping[str, Schema]) -> dict[str, Schema]:
        if self._format is None:
            return {}
        if sum(len(json.dumps(schema)) for schema in offered.values()) > LARGEST_SUM:
            log.warning("the tools' schemas are too large to be held; arguments will be objects of any shape")
            return dict.fromkeys(offered, ANY_OBJECT)
        return {name: self.fitted(schema, name) for name, schema in offered.items()}

    def _call_rules(self, schemas: Mapping[str, Schema], shape: AnswerShape) -> list[str]:
        assert self._format is not None
        return self._format.body(self._markers, schemas, shape.parallel)

    def _starts(self, shape: AnswerShape, rules: list[str]) -> list[str]:
        """The rule of an answer as a whole; none for text that may hold calls."""
        if not shape.must_call and shape.schema is None:
            return []
        parts = []
        lines = ["LEAD: /[ \\n]{1,2}/"]
        if rules:
            call = f"{self._markers.mark(self._markers.start)} inside"
            again = shape.parallel and self._format is not None and not self._format.to_the_end
            lines.append(f"one: {call}")
            parts.append("one (LEAD? one)*" if again else "one")
        if shape.schema is not None and not shape.must_call:
            lines.append(f"answer: {json_rule(self.fitted(shape.schema or ANY_OBJECT, 'response_format'), SPACED)}")
            parts.append("answer")
        return [f"start: LEAD? ({' | '.join(f'({part})' for part in parts)})", *lines]

    def _matcher(self, rules: Sequence[str]) -> LLMatcher | None:
        grammar = LLMatcher.grammar_from_lark("\n".join([HEAD, *rules]))
        matcher = LLMatcher(self.words.tokens, grammar, log_level=0, limits=self._limits)
        if matcher.is_error():
            log.warning("a grammar was refused and is loosened: %s", matcher.get_error().split("\n")[0][:300])
            return None
        matcher.deep_copy().compute_bitmask()  # what the first use would build stays in the original
        return matcher

    # -- schemas --------------------------------------------------------------------------------------------------

    def fitted(self, schema: Schema, name: str) -> Schema:
        """The schema, or the closest looser one that the library takes."""
        text = json.dumps(schema, sort_keys=False)
        if text not in self._fitted:
            self._fitted[text] = ANY_OBJECT if len(text) > LARGEST else self._loosened(schema, name)
            if len(self._fitted) > 16 * KEPT:
                self._fitted.popitem(last=False)
        return self._fitted[text]

    def _loosened(self, schema: Schema, name: str) -> Schema:
        for candidate in (schema, structure_of(schema) or ANY_OBJECT, ANY_OBJECT):
            failed, reasons = self._check(candidate)
            if reasons:
                log.info("the schema of %s is held in part: %s", name, "; ".join(reasons)[:300])
            if not failed:
                return candidate
        return ANY_OBJECT

    def _check(self, schema: Schema) -> tuple[bool, list[str]]:
        grammar = LLMatcher.grammar_from_lark(f"{HEAD}\nstart: {json_rule(schema)}")
        failed, reasons = LLMatcher.validate_grammar_with_warnings(grammar, self.words.tokens, limits=self._limits)
        return failed, reasons


def _offered(tools: Sequence[Mapping[str, Any]]) -> dict[str, Schema]:
    functions = [tool["function"] for tool in tools]
    return {function["name"]: arguments_schema(function.get("parameters")) for function in functions}


def _key(tools: Sequence[Mapping[str, Any]], shape: AnswerShape) -> bytes:
    asked = [list(tools), shape.must_call, shape.tool, shape.parallel, shape.schema, shape.allowed]
    return hashlib.blake2b(json.dumps(asked).encode()).digest()


def arguments_schema(parameters: Any) -> Schema:
    """A tool's schema as one of an object, which arguments always are."""
    if not isinstance(parameters, Mapping):
        return ANY_OBJECT
    if parameters.get("type", "object") != "object":
        return ANY_OBJECT
    return {"type": "object", **parameters}


def structure_of(schema: Any) -> Any:
    """The schema without everything but its structure: types, members, alternatives."""
    if not isinstance(schema, Mapping):
        return schema if isinstance(schema, bool) else True
    kept: dict[str, Any] = {key: schema[key] for key in STRUCTURE if key in schema}
    if isinstance(members := kept.get("properties"), Mapping):
        kept["properties"] = {name: structure_of(member) for name, member in members.items()}
    for key in ("items", "additionalProperties"):
        if key in kept:
            kept[key] = structure_of(kept[key])
    if isinstance(alternatives := kept.get("anyOf"), list):
        kept["anyOf"] = [structure_of(one) for one in alternatives]
    return kept


def grammars_of(tokenizer: Any) -> Grammars | None:
    """For mlx-lm's wrapper of a tokenizer. None: it cannot be read token by token, its answers are never held."""
    try:
        tokens = llguidance.hf.from_tokenizer(tokenizer._tokenizer, eos_token=sorted(tokenizer.eos_token_ids))
    except Exception as error:  # tokenizers are many; without a grammar the model can still be served
        log.warning("answers of this model cannot be held to a grammar: %s", error)
        return None
    return Grammars(
        tokens,
        FORMATS.get(tokenizer.init_kwargs.get("tool_parser_type") or ""),
        call_start=tokenizer.tool_call_start or "",
        call_end=tokenizer.tool_call_end or "",
        think_start=tokenizer.think_start or "",
        think_end=tokenizer.think_end or "",
    )
