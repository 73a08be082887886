"""Where a project's file decides which backend reads prompts: allowed, and said every time."""

from collections.abc import Mapping, Sequence

from anyclaude.config.items import Item
from anyclaude.config.model import Mode, Settings
from anyclaude.config.routes import Target, parse_target


def choices(settings: Settings, origins: Mapping[str, str], project: Sequence[Item]) -> list[str]:
    """A notice for every such place. origins: of each setting by its dotted path. project: what the file sets."""
    decided = origins["mode"]
    said = [item for item in project if origins.get(".".join(item.path)) == item.origin]
    notices = [
        f"requests go to {target}, as this directory's file says ({item.origin})"
        for item in said
        for target in _targets(item, settings.mode)
        if target.backend != settings.mode
    ]
    if any(item.origin == decided for item in said):
        notices.insert(0, f"the backend is {settings.mode}, as this directory's file says ({decided})")
    return notices


def _targets(item: Item, mode: Mode) -> list[Target]:
    """Where a tier, a role or a fallback of that item leads."""
    if item.path[0] == "models":
        return [parse_target(str(item.value), mode)]
    if item.path[-1] == "fallback" and isinstance(item.value, list | tuple):
        return [parse_target(str(entry), mode) for entry in item.value]
    return []
