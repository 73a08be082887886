"""The tool that a model means by a name that is not quite one: another case, a prefix of its training, other marks."""

import re
from collections.abc import Collection
from typing import Final

_PREFIX: Final = re.compile(r"(?:functions?|tools?|default_api|multi_tool_use|namespace)[./:]+", re.IGNORECASE)
_MARKS: Final = re.compile(r"[\s._:/-]+")
_CHANNEL: Final = re.compile(r"<\|.*", re.DOTALL)
"""gpt-oss: what should have been a mark of its format, behind the name."""


def declared_name(name: str, declared: Collection[str]) -> str | None:
    """The declared name that `name` stands for; None where there is none, or more than one could be meant."""
    if name in declared:
        return name
    bare = _CHANNEL.sub("", name).strip().strip("\"'`")
    bare = _PREFIX.sub("", bare, count=1) if _PREFIX.match(bare) else bare
    if bare in declared:
        return bare
    wanted = _plain(bare)
    alike = [each for each in declared if _plain(each) == wanted] if wanted else []
    return alike[0] if len(alike) == 1 else None


def _plain(name: str) -> str:
    return _MARKS.sub("_", name.casefold()).strip("_")
