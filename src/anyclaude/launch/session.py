"""One launch from beginning to end: worker if there is none, backend, proxy, claude; closed in the reverse order."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from anyclaude.backends.base import Backend, ModelInfo
from anyclaude.backends.router import Router
from anyclaude.config.model import Settings
from anyclaude.config.names import tier_names
from anyclaude.config.routes import routes_of
from anyclaude.errors import SetupError
from anyclaude.launch.claude import find_claude, run_claude
from anyclaude.launch.env import child_environment, claude_environment, claude_exports, without_foreign_keys
from anyclaude.launch.fit import Launch, fit, needs_no_model
from anyclaude.launch.opening import opened_backend
from anyclaude.launch.signals import Signals, interruptible
from anyclaude.launch.status_line import has_screen, status_line
from anyclaude.launch.steering import steered

log = logging.getLogger(__name__)


class Screen(Protocol):
    """Where the person is told what happens, until claude has the terminal."""

    def say(self, text: str) -> None: ...
    def progress(self, text: str) -> None: ...
    def clear(self) -> None: ...
    def exports(self, variables: Mapping[str, str]) -> None: ...


class Address(Protocol):
    """Where the proxy listens."""

    @property
    def url(self) -> str: ...

    @property
    def pages(self) -> str: ...


class Serving(Protocol):
    """The proxy: entering returns once it accepts, leaving drains it."""

    def __call__(self, backend: Backend, token: str, *, port: int = 0) -> AbstractAsyncContextManager[Address]: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a session is put together from."""

    open_backend: Callable[[Settings], Router]
    serving: Serving


async def session(
    settings: Settings, claude_args: Sequence[str], environ: Mapping[str, str], screen: Screen, parts: Parts
) -> int:
    """Run until claude has ended, and return the exit code.

    Raises SetupError when this machine is not ready, Interrupted when a signal ended us and not claude.
    """
    signals = Signals()
    return await interruptible(signals, _Session(settings, claude_args, environ, screen, parts, signals).run())


@dataclass(frozen=True, slots=True)
class _Session:
    settings: Settings
    claude_args: Sequence[str]
    environ: Mapping[str, str]
    screen: Screen
    parts: Parts
    signals: Signals

    async def run(self) -> int:
        program = None if self.settings.proxy_only else find_claude(self.environ)
        if program and needs_no_model(self.claude_args):
            command = [program, *self.claude_args]
            return await run_claude(command, without_foreign_keys(self.environ), self.signals)
        token = launch_token(self.settings)
        async with AsyncExitStack() as open_parts:
            opening = opened_backend(self.settings, self.environ, self.screen, self.parts.open_backend)
            backend, model = await open_parts.enter_async_context(opening)
            log.info("model %s, window %s, tools %s", model.id, model.context_window, model.tools)
            if model.note:
                self.screen.say(model.note)
            launch = self._fitted(model) if program else None
            serving = self.parts.serving(backend, token, port=self.settings.port)
            address = await open_parts.enter_async_context(serving)
            if address.pages:
                self.screen.say(f"sessions and turns are shown at {address.pages}")
            if program is None or launch is None:
                self.screen.exports(self._exports(address.url, token))
                return await _until_signal()
            if self.settings.mode == "claude":
                return await self._claude_itself(program, address.url, token)
            return await self._claude(program, launch, address.url, token, model)

    def _exports(self, url: str, token: str) -> dict[str, str]:
        """What leads a claude that somebody else starts to the proxy."""
        if self.settings.mode == "claude":
            return claude_exports(self.environ, url, token)
        return {"ANTHROPIC_BASE_URL": url, "ANTHROPIC_AUTH_TOKEN": token}

    def _fitted(self, model: ModelInfo) -> Launch:
        launch = fit(self.claude_args, model.context_window, model.tools, full=self.settings.full_tools)
        if launch.note:
            self.screen.say(launch.note)
        return launch

    async def _claude_itself(self, program: str, url: str, token: str) -> int:
        """Claude Code with its own login, key and models; only the way there is ours."""
        child = claude_environment(self.environ, url=url, token=token)
        self.screen.clear()
        settings = {"env": claude_exports(self.environ, url, token), **self._status_line()}
        with steered(self.claude_args, settings) as arguments:
            code = await run_claude([program, *arguments], child.variables, self.signals)
        log.info("claude ended with %d", code)
        return code

    async def _claude(self, program: str, launch: Launch, url: str, token: str, model: ModelInfo) -> int:
        child = child_environment(
            self.environ,
            url=url,
            token=token,
            model_id=model.id,
            window=model.context_window,
            prompt_tokens=launch.prompt_tokens,
            tiers=tier_names(routes_of(self.settings)),
        )
        if child.dropped:
            self.screen.say(f"not handed to claude, because they lead elsewhere: {', '.join(child.dropped)}")
        self.screen.clear()
        with steered(launch.arguments, self._status_line(), needed=False) as arguments:
            code = await run_claude([program, *arguments], child.variables, self.signals)
        log.info("claude ended with %d", code)
        return code

    def _status_line(self) -> dict[str, Any]:
        shown = self.settings.status_line and has_screen(self.claude_args)
        return status_line(self.environ) if shown else {}


async def _until_signal() -> NoReturn:
    while True:
        await asyncio.Event().wait()


def launch_token(settings: Settings) -> str:
    """The token that every request must carry: the configured one, else 256 random bits. Raises SetupError."""
    if settings.auth_token is None:
        return secrets.token_urlsafe(32)
    token = settings.auth_token.get_secret_value()
    if not token.isascii() or not token.isprintable() or any(character in token for character in " '\"\\$`"):
        raise SetupError(
            "ANYCLAUDE_AUTH_TOKEN may hold ASCII letters, digits and signs, but no space, quote, $, ` or \\"
        )
    return token
