"""The JSON schema of a settings file, by which editors complete and check it. `schema.json` beside this is its text."""

import json
from typing import Any, Final

from anyclaude.config.files import NOT_IN_FILES
from anyclaude.config.model import Settings

_HEAD: Final = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "anyclaude settings"}


def schema() -> dict[str, Any]:
    """That of `Settings` by its JSON keys, with `$schema` and without what no file may set."""
    generated = Settings.model_json_schema(by_alias=True)
    properties = {name: value for name, value in generated["properties"].items() if name not in NOT_IN_FILES}
    return {**generated, **_HEAD, "properties": {"$schema": {"type": "string"}, **properties}}


def schema_text() -> str:
    """As it is shipped: `anyclaude --config-schema` prints it."""
    return json.dumps(schema(), indent=2) + "\n"
