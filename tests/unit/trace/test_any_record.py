"""Records of other versions, damaged ones, and such as somebody made: all are told of, and none raises."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anyclaude.trace.conversation import conversation
from anyclaude.trace.export import as_json, markdown
from anyclaude.trace.slowness import slowness
from anyclaude.trace.transcript import summary, transcript
from anyclaude.trace.versions import versions

ANY = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=5,
)
WORDS = st.sampled_from(["", "user", "assistant", "system", "<system-reminder>a</system-reminder>b", "# A\nb", "a"])


def mixed(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mappings in which each member may be missing or of any type."""
    return st.fixed_dictionaries({}, optional={name: st.one_of(value, ANY) for name, value in members.items()})


KIND = st.sampled_from(
    ["text", "thinking", "redacted_thinking", "image", "document", "unknown", "web_search_result", "search_result"]
)
CALLED = st.sampled_from(["tool_use", "tool_result", "server_tool_use", "web_search_tool_result"])
PLAIN = mixed(
    type=st.one_of(KIND, CALLED),
    text=WORDS,
    thinking=WORDS,
    id=WORDS,
    tool_use_id=WORDS,
    name=WORDS,
    url=WORDS,
    input=ANY,
)
SOURCE = mixed(type=st.sampled_from(["base64", "url", "text", "content"]), data=WORDS, media_type=WORDS, content=ANY)
BLOCK = st.one_of(
    ANY,
    PLAIN,
    mixed(type=st.one_of(KIND, CALLED), source=SOURCE, content=st.lists(PLAIN, max_size=2), citations=ANY, id=WORDS),
)
MESSAGE = st.one_of(ANY, mixed(role=WORDS, content=st.one_of(WORDS, st.lists(BLOCK, max_size=3))))
TOOL = mixed(name=WORDS, description=WORDS, input_schema=ANY, function=mixed(name=WORDS, parameters=ANY))
BODY = mixed(
    model=WORDS,
    system=st.one_of(WORDS, st.lists(BLOCK, max_size=2)),
    tools=st.lists(TOOL, max_size=2),
    messages=st.lists(MESSAGE, max_size=3),
)
NOTE = mixed(
    kind=st.sampled_from(["route", "queue", "prefix", "fallback", "repair", "prompt"]),
    at_ms=st.floats(-1, 9000),
    seconds=st.floats(-1, 9),
    to=WORDS,
    kept_bytes=st.integers(-1, 99),
    before_bytes=st.integers(-1, 99),
    report=ANY,
)
COUNT = st.integers(-5, 50_000)
RECORD = mixed(
    id=WORDS,
    time=WORDS,
    session=WORDS,
    agent=WORDS,
    request=mixed(headers=ANY, body=BODY),
    upstream=st.lists(mixed(at_ms=st.floats(-1, 9000), body=BODY), max_size=3),
    response=mixed(status=COUNT, body=mixed(content=st.lists(BLOCK, max_size=2), cut=ANY, error=mixed(message=WORDS))),
    timings_ms=mixed(accepted=COUNT, first_event=COUNT, first_token=COUNT, end=COUNT),
    usage=mixed(prompt_tokens=COUNT, cached_tokens=COUNT, output_tokens=COUNT, input_tokens=COUNT, cost=st.floats()),
    notes=st.lists(NOTE, max_size=3),
    outcome=st.sampled_from(["complete", "error", "left"]),
    error=WORDS,
)
RECORDS = st.one_of(RECORD, st.dictionaries(st.text(max_size=5), ANY, max_size=3))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(RECORDS, RECORDS)
def test_any_record_is_told(record: dict[str, Any], before: dict[str, Any]) -> None:
    assert list(transcript(record))
    summary(record)
    for said in conversation(record):
        assert said.blocks
    assert slowness(record, before).verdict
    assert slowness(record).verdict.isprintable()
    assert markdown([before, record]).startswith("# ")
    json.dumps(as_json([before, record]))
    versions(record.get("request"), before.get("request"))
