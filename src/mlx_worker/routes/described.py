"""What the OpenAPI description says of an endpoint beside its path: the body, which we read ourselves, and refusals."""

from typing import Any

from pydantic import BaseModel

from mlx_worker.replies import ErrorReply

REF = "#/components/schemas/{model}"

_WORDS = {
    400: "The request breaks a rule, or its prompt does not fit the context.",
    401: "The worker's token is missing or wrong.",
    403: "The request came from a web page, for another host, or from another machine while no token is set.",
    404: "The model is not the one that is served.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    415: "The body is not sent as application/json.",
    429: "The queue is full; Retry-After says when to come back.",
    500: "The engine failed on this request.",
    503: "The worker is loading, draining or dead.",
}


Described = dict[int | str, dict[str, Any]]
"""Answers by status."""


def refusals(*statuses: int) -> Described:
    """Those, and the two that every endpoint has."""
    return {status: {"model": ErrorReply, "description": _WORDS[status]} for status in (401, 403, *statuses)}


ASKING = (400, 404, 408, 413, 415, 429, 500, 503)
"""The refusals of an endpoint that has a prompt rendered."""


def body_of(kind: type[BaseModel]) -> dict[str, Any]:
    """`openapi_extra` for an endpoint that reads this body; `openapi.description_of` adds the schema itself."""
    content = {"application/json": {"schema": {"$ref": REF.format(model=kind.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}
