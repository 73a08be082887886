"""OpenRouter: hundreds of models behind one OpenAI-compatible address."""

from pathlib import Path
from typing import Final

from anyclaude.backends.chat import ChatBackend
from anyclaude.backends.http import Upstream
from anyclaude.config.model import Deadlines
from anyclaude.config.upstreams import OpenRouter
from anyclaude.convert.profile import Profile
from anyclaude.errors import SetupError

PROFILE: Final = Profile(top_k=True, reasoning_details=True, response_format_with_tools=True)


class OpenRouterBackend(ChatBackend):
    """home: where the list of models is kept between launches."""

    def __init__(self, settings: OpenRouter, model: str | None, deadlines: Deadlines, home: Path) -> None:
        if settings.api_key is None:
            raise SetupError("OpenRouter needs a key: get one at https://openrouter.ai/keys and set OPENROUTER_API_KEY")
        upstream = Upstream(settings.url, settings.api_key.get_secret_value(), deadlines.connect, through_proxies=True)
        super().__init__("openrouter", upstream, model or settings.model, PROFILE, deadlines)
