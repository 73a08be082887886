"""Every error that anyclaude raises on purpose, and how each one is told to the client.

    AnyclaudeError
    ├── ClientError              the client broke a rule of the API
    │   ├── InvalidRequest       400
    │   │   ├── PromptTooLong    400, in the words that make Claude Code compact
    │   │   └── AnswerTooLong    400, in the words that make it ask for a shorter answer
    │   ├── Unauthorized         401
    │   ├── Forbidden            403
    │   ├── NotFound             404
    │   ├── MethodNotAllowed     405
    │   ├── RequestTooSlow       408
    │   └── RequestTooLarge      413
    ├── UpstreamError            the server called did not do its part
    │   ├── UpstreamUnreachable  502, nothing listens there
    │   ├── UpstreamBroken       502, it spoke, but not a whole answer
    │   ├── UpstreamTimeout      504, it kept silent past its deadline
    │   ├── UpstreamRejected     its own 4xx, handed on
    │   │   ├── UpstreamRefusedUs  401 and 403 of the upstream, as 400 (see there)
    │   │   └── NotOffered       404 of the upstream, as 400 (see there)
    │   ├── RateLimited          429
    │   ├── Overloaded           529
    │   └── SearchFailed         502, a search engine, told inside a search's answer
    ├── InternalError            500, a fault of our own
    │   └── GrammarError         500, a stream that breaks the grammar of `wire.grammar`
    └── SetupError               this machine is not ready; the command line says it and exits with 2

A message is one sentence that says what is wrong and, where there is one, the next step. It never holds a secret.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class AnyclaudeError(Exception):
    """The root. `status` is the HTTP status, `kind` the Anthropic error type that the client sees."""

    status: int = 500
    kind: ClassVar[str] = "api_error"

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.headers = dict(headers or {})

    def body(self, request_id: str | None = None) -> dict[str, Any]:
        """The error in Anthropic's shape: the body of an HTTP error and the data of an `error` event."""
        shape: dict[str, Any] = {"type": "error", "error": {"type": self.kind, "message": self.message}}
        if request_id is not None:
            shape["request_id"] = request_id
        return shape


class ClientError(AnyclaudeError):
    """The client broke a rule of the API."""


class InvalidRequest(ClientError):
    status = 400
    kind = "invalid_request_error"


class PromptTooLong(InvalidRequest):
    """The prompt does not fit the model's context window.

    Claude Code compacts when the message holds `prompt is too long`, and reads the two numbers to know how much
    (observed with 2.1.197). Counts are tokens.
    """

    def __init__(self, prompt_tokens: int | None, window: int | None) -> None:
        self.window = window
        numbers = f": {prompt_tokens} tokens > {window} maximum" if prompt_tokens and window else ""
        super().__init__(f"prompt is too long{numbers}")


class AnswerTooLong(InvalidRequest):
    """The prompt fits, but not together with the longest answer that was asked for. Counts are tokens.

    With these words Claude Code asks again at once, for an answer that fits (observed with 2.1.197).
    """

    def __init__(self, prompt_tokens: int, max_tokens: int, window: int) -> None:
        super().__init__(
            f"input length and `max_tokens` exceed context limit: {prompt_tokens} + {max_tokens} > {window}, "
            "decrease input length or `max_tokens` and try again"
        )


class Unauthorized(ClientError):
    status = 401
    kind = "authentication_error"


class Forbidden(ClientError):
    status = 403
    kind = "permission_error"


class NotFound(ClientError):
    status = 404
    kind = "not_found_error"


class MethodNotAllowed(ClientError):
    status = 405
    kind = "invalid_request_error"


class RequestTooSlow(ClientError):
    """The request did not come whole in time. Claude Code sends it again."""

    status = 408
    kind = "invalid_request_error"


class RequestTooLarge(ClientError):
    status = 413
    kind = "request_too_large"


class UpstreamError(AnyclaudeError):
    """The server called did not do its part. Claude Code retries 5xx by itself."""

    status = 502


class UpstreamUnreachable(UpstreamError):
    """No connection could be made."""


class UpstreamBroken(UpstreamError):
    """The answer was cut, malformed, or ended without an observed finish."""


class UpstreamTimeout(UpstreamError):
    status = 504
    kind = "timeout_error"


class UpstreamRejected(UpstreamError):
    """The upstream's own 4xx, handed on with its status, so that Claude Code repairs or shows it."""

    kind = "invalid_request_error"

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class UpstreamRefusedUs(UpstreamRejected):
    """The upstream did not accept our key.

    Told as 400: Claude Code answers a 401 or 403 with advice to log in to Anthropic, which would mislead.
    """


class NotOffered(UpstreamRejected):
    """The upstream has no such model, or nobody who serves it as it is asked for.

    Told as 400: for a 404 Claude Code shows words of its own, and the next step would be lost (observed with 2.1.197).
    """


class RateLimited(UpstreamError):
    status = 429
    kind = "rate_limit_error"


class Overloaded(UpstreamError):
    status = 529
    kind = "overloaded_error"


class SearchFailed(UpstreamError):
    """A search engine did not do its part. code: Anthropic's word for it in the result of a web search."""

    def __init__(self, message: str, code: str = "unavailable") -> None:
        super().__init__(message)
        self.code = code


class InternalError(AnyclaudeError):
    """A fault of our own; the log has the details."""


class GrammarError(InternalError):
    """An Anthropic event that may not stand where it stands."""


class SetupError(AnyclaudeError):
    """This machine is not ready. The message names the next step; the command line exits with 2."""
