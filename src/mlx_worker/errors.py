"""Every error that the worker tells a client, in OpenAI's shape.

    WorkerError
    ├── BadRequest            400, the request breaks a rule of the API
    │   └── PromptTooLong     400 context_length_exceeded, with both numbers
    ├── Unauthorized          401
    ├── Forbidden             403
    ├── UnknownModel          404
    ├── UnknownPath           404 and 405
    ├── HeadTooSlow           408
    ├── BodyTooSlow           408
    ├── BodyTooLarge          413
    ├── NotJson               415
    ├── QueueFull             429 with Retry-After
    ├── TooManyProofs         429 with Retry-After
    ├── NotReady              503, loading, draining or dead
    ├── MemoryShort           503, what is in work needs more memory than there is
    └── EngineFailure         500, this request failed inside the engine

    ModelLoadError            the model cannot be served at all; /health says why

A message is one sentence that says what is wrong and, where there is one, the next step. `http_status` is in the body
too, because inside a stream there is no other place for it.
"""

from typing import Any, ClassVar


class ModelLoadError(Exception):
    """The model cannot be served. The message is one sentence with the next step."""


class WorkerError(Exception):
    """The root. `kind` and `code` are the fields `type` and `code` of OpenAI's error object.

    param: the field of the request that is at fault.
    """

    status: int = 500
    kind: ClassVar[str] = "server_error"
    code: ClassVar[str | None] = None
    param: str | None = None

    def __init__(self, message: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        error = {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}
        return {"error": error | {"http_status": self.status}}


class BadRequest(WorkerError):
    status = 400
    kind = "invalid_request_error"

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class PromptTooLong(BadRequest):
    """The prompt leaves no room for an answer. The code is OpenAI's; type, words and numbers are llama.cpp's.

    at_least: the prompt was not counted to its end, which it has no need of.
    """

    kind = "exceed_context_size_error"
    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_length: int, *, at_least: bool = False) -> None:
        words = f"request ({prompt_tokens} tokens) exceeds the available context size ({context_length} tokens)"
        super().__init__(f"{words}; it was not counted to its end" if at_least else words, "messages")
        self.prompt_tokens = prompt_tokens
        self.context_length = context_length

    def body(self) -> dict[str, Any]:
        numbers = {"n_prompt_tokens": self.prompt_tokens, "n_ctx": self.context_length}
        return {"error": super().body()["error"] | numbers}


class Unauthorized(WorkerError):
    status = 401
    kind = "authentication_error"
    code = "invalid_api_key"


class Forbidden(WorkerError):
    status = 403
    kind = "permission_error"


class UnknownModel(WorkerError):
    status = 404
    kind = "not_found_error"
    code = "model_not_found"
    param = "model"


class UnknownPath(WorkerError):
    kind = "not_found_error"

    def __init__(self, message: str, status: int = 404) -> None:
        super().__init__(message)
        self.status = status


class HeadTooSlow(WorkerError):
    status = 408
    kind = "timeout_error"


class BodyTooSlow(WorkerError):
    status = 408
    kind = "timeout_error"


class BodyTooLarge(WorkerError):
    status = 413
    kind = "request_too_large"


class NotJson(WorkerError):
    status = 415
    kind = "invalid_request_error"


class QueueFull(WorkerError):
    status = 429
    kind = "rate_limit_error"
    code = "queue_full"

    def __init__(self, limit: int, retry_after: int = 2) -> None:
        super().__init__(
            f"{limit} requests are waiting already; try again in {retry_after} seconds, or raise MLX_MAX_QUEUE",
            headers={"Retry-After": str(retry_after)},
        )


class TooManyProofs(WorkerError):
    status = 429
    kind = "rate_limit_error"

    def __init__(self) -> None:
        super().__init__("this address asked for too many proofs; try again later", headers={"Retry-After": "1"})


class NotReady(WorkerError):
    status = 503
    kind = "service_unavailable_error"
    code = "not_ready"

    def __init__(self, message: str, retry_after: int | None = 2) -> None:
        super().__init__(message, headers={"Retry-After": str(retry_after)} if retry_after else None)


class MemoryShort(WorkerError):
    status = 503
    kind = "service_unavailable_error"

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(
            f"the requests in work need {used / 1e9:.1f} GB of {limit / 1e9:.1f} GB; try again when others are done, "
            "or lower MLX_MAX_BATCH",
            headers={"Retry-After": "5"},
        )


class EngineFailure(WorkerError):
    """This request failed inside the engine; others go on."""
