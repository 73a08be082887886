"""Templates: everything in them is escaped, what is missing is an error, and no value brings control characters.

Records hold what models and tools wrote. It never becomes markup: jinja2 escapes every value, and `finalize` takes out
the characters that steer terminals or turn the direction of what follows.
"""

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from anyclaude import __version__
from anyclaude.trace.parts import printable
from anyclaude.viewer import formats
from anyclaude.viewer.access import PREFIX
from anyclaude.viewer.charts import stacked, strip
from anyclaude.viewer.links import session_link, turn_link

_SPOKEN: Final = ("count", "short", "size", "duration", "money", "share", "day", "clock", "when", "iso", "plural")


def render(template: str, facts: Mapping[str, Any]) -> bytes:
    """A page. template: its name without `.html`. Raises jinja2's errors for a fact that is missing."""
    return _TEMPLATES.get_template(f"{template}.html").render(facts).encode("utf-8", "replace")


def _clean(value: object) -> object:
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _made() -> Environment:
    made = Environment(
        loader=PackageLoader("anyclaude.viewer"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {name: getattr(formats, name) for name in _SPOKEN}
    made.globals |= {"base": PREFIX, "version": __version__, "strip": strip, "stacked": stacked}
    made.globals |= {"session_link": session_link, "turn_link": turn_link}
    return made


_TEMPLATES: Final = _made()
