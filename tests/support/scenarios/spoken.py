"""Scripted answers as a model writes them: text, and calls in the XML of its chat template."""

import json
from typing import Any

from tests.support.by_heart import ENDLESS
from tests.support.script import Calls, Reply, Says, Step, Together, Waits


def spoken(reply: Reply) -> str:
    """Raises TypeError for what no model can be made to do, such as to break its connection."""
    return "".join(_step(step) for step in reply.steps)


def _step(step: Step) -> str:
    match step:
        case Says(text):
            return text
        case Calls(name, arguments):
            return _call(name, json.loads(arguments))
        case Together(calls):
            return "\n".join(_step(call) for call in calls)
        case Waits():
            return ENDLESS
    raise TypeError(f"no model says {step}")


def _call(name: str, arguments: dict[str, Any]) -> str:
    given = "".join(f"<parameter={key}>\n{_value(value)}\n</parameter>\n" for key, value in arguments.items())
    return f"<tool_call>\n<function={name}>\n{given}</function>\n</tool_call>"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
