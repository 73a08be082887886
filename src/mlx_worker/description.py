"""The OpenAPI description, and a page that shows it.

FastAPI's own page loads Swagger UI from a CDN, and packages that bring it along ship 1.5 MB of foreign JavaScript for
seven endpoints. This page is one static document: no script, nothing from the net, readable in any browser and offline.
Tools take /openapi.json.
"""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from mlx_worker.cache_schemas import TokenizeRequest, WarmRequest
from mlx_worker.routes.described import REF
from mlx_worker.schemas import ChatRequest

BODIES = (ChatRequest, TokenizeRequest, WarmRequest)
ABOUT = (
    "An OpenAI-compatible server on mlx-lm. Where MLX_WORKER_TOKEN is set, every request carries it "
    "as Authorization: Bearer TOKEN."
)
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8882;padding:0 .2em}table{border-collapse:collapse}"
    "td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
)


def description_of(app: FastAPI) -> dict[str, Any]:
    """The routes' own descriptions, and the bodies that we read ourselves."""
    whole = get_openapi(title=app.title, version=app.version, description=ABOUT, routes=app.routes)
    _, bodies = models_json_schema([(kind, "validation") for kind in BODIES], ref_template=REF)
    components = whole.setdefault("components", {})
    components.setdefault("schemas", {}).update(bodies["$defs"])
    components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    whole["security"] = [{"token": []}, {}]
    return whole


def page_of(whole: Mapping[str, Any]) -> str:
    """The description as one HTML document."""
    about = whole["info"]
    parts = [f"<h1>{escape(about['title'])} {escape(about['version'])}</h1><p>{escape(about['description'])}</p>"]
    parts += [
        part
        for path, methods in whole["paths"].items()
        for method, operation in methods.items()
        for part in _operation(f"{method.upper()} {path}", operation, whole["components"]["schemas"])
    ]
    head = f"<meta charset=utf-8><title>{escape(about['title'])}</title><style>{STYLE}</style>"
    return f"<!doctype html><html lang=en><head>{head}</head><body>{''.join(parts)}</body></html>"


def _operation(name: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{escape(name)}</code></h2><p>{escape(operation.get('description', ''))}</p>"
    if body := operation.get("requestBody"):
        schema = schemas[_named(body["content"]["application/json"]["schema"])]
        yield from _table("Body", [(key, _type(part)) for key, part in schema["properties"].items()])
    answers = [(status, answer["description"]) for status, answer in sorted(operation["responses"].items())]
    yield from _table("Answers", answers)


def _table(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    yield f"<h3>{title}</h3><table>"
    for name, words in rows:
        yield f"<tr><td><code>{escape(name)}</code></td><td>{escape(words)}</td></tr>"
    yield "</table>"


def _type(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return _named(schema)
    if kinds := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(_type(kind) for kind in kinds)
    if "enum" in schema:
        return " or ".join(map(repr, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    bounds = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    limits = [f"{word} {schema[key]}" for key, word in bounds.items() if key in schema]
    return " ".join([str(schema.get("const", schema.get("type", "anything"))), *limits])


def _named(schema: Mapping[str, Any]) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
