"""What is known of models by their names, and what a person knows better: both as data over a backend's profile.

What counts, each over the one before it: the backend's own profile, the model's family, what the server says of the
model, the person's `profiles`, and last what was refused in this session (`backends.chat` puts them together).

A family holds only what is written down somewhere; `source` says where. How a model is asked to think, and how its
thinking goes back, is said of servers that hand it to the chat template (LM Studio, llama.cpp, vLLM, the worker):
OpenRouter has words of its own for that, and its list says it for each model.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import reduce
from types import MappingProxyType
from typing import Any, Final

from anyclaude.config.model import ProfileChange
from anyclaude.convert.profile import Profile
from anyclaude.convert.refusals import learnt

Changes = Mapping[str, ProfileChange]
NO_CHANGES: Final[Changes] = MappingProxyType({})

_THINKING: Final = frozenset(("efforts", "thinking_switch", "thinking_variable", "thinking_field"))
_UNCHANGED: Final = ProfileChange()


@dataclass(frozen=True, slots=True)
class Family:
    """Models whose name holds `pattern`, in lower case. facts: fields of `Profile`."""

    name: str
    pattern: re.Pattern[str]
    facts: Mapping[str, Any]
    source: str


def _family(name: str, pattern: str, source: str, **facts: Any) -> Family:
    return Family(name, re.compile(pattern), facts, source)


_VLLM: Final = "https://docs.vllm.ai/en/v0.26.0/features/reasoning_outputs/"
_DEEPSEEK: Final = "https://api-docs.deepseek.com/guides/thinking_mode"
_KIMI: Final = "https://platform.moonshot.cn/docs/guide/use-kimi-k2-thinking-model"
_BACK: Final = "reasoning_content"

FAMILIES: Final = (
    _family(
        "gpt-oss",
        r"gpt-oss",
        "https://developers.openai.com/api/docs/models/gpt-oss-20b",
        efforts=("low", "medium", "high"),
        images=False,
    ),
    _family("qwen3", r"qwen-?3(?!.*(?:coder|instruct-2507|thinking-2507))", _VLLM, thinking_switch=True),
    _family(
        "glm",
        r"glm-?(?:4\.[5-9]|[5-9])",
        "https://docs.z.ai/guides/capabilities/thinking-mode; the template's variable: https://lmstudio.ai/zroach/glm-47-flash",
        thinking_switch=True,
        thinking_field=_BACK,
    ),
    _family("gemma4", r"gemma-?4", _VLLM, thinking_switch=True),
    _family(
        "deepseek with both modes",
        r"deepseek-(?:chat-)?v3\.[1-9]",
        f"{_VLLM}; {_DEEPSEEK}",
        thinking_switch=True,
        thinking_variable="thinking",
        thinking_field=_BACK,
    ),
    _family(
        "deepseek v4",
        r"deepseek-v[4-9]",
        _DEEPSEEK,
        efforts=("low", "high", "max"),
        thinking_field=_BACK,
    ),
    _family("granite 3.2", r"granite-?3\.2", _VLLM, thinking_switch=True, thinking_variable="thinking"),
    _family("kimi that thinks", r"kimi-k(?:2-thinking|2\.[5-9]|[3-9])", _KIMI, thinking_field=_BACK),
    _family(
        "minimax",
        r"minimax-?m[2-9]",
        "https://platform.minimax.io/docs/guides/text-m2-function-call",
        thinking_field=_BACK,
    ),
    _family(
        "mistral",
        r"(?:mi[sx]tral|ministral|magistral|codestral|devstral|pixtral)",
        "https://github.com/ml-explore/mlx-lm/issues/1375; https://github.com/anomalyco/opencode/issues/1680",
        short_call_ids=True,
    ),
)


def known(profile: Profile, model: str) -> Profile:
    """The profile with what is known of the model's family; every family that its name holds counts."""
    name = model.lower()
    for family in FAMILIES:
        if family.pattern.search(name):
            profile = replace(profile, **_fitting(profile, family.facts))
    return profile


def _fitting(profile: Profile, facts: Mapping[str, Any]) -> dict[str, Any]:
    """A family never gives eyes to a server that has none, nor another way to think to one that has its own."""
    left = _THINKING if profile.reasoning_details else frozenset[str]()
    return {name: value for name, value in facts.items() if name not in left}


def change_of(model: str, changes: Changes) -> ProfileChange:
    """What a person says of a model: of all models that its name fits (`*` and `?`), and over it of its exact name.

    A longer pattern counts over a shorter one. Case is no difference.
    """
    name = model.lower()
    patterns = [key for key in changes if key.lower() == name or fnmatchcase(name, key.lower())]
    patterns.sort(key=lambda key: (key.lower() == name, len(key)))
    return reduce(_over, (changes[key] for key in patterns), _UNCHANGED)


def _over(below: ProfileChange, above: ProfileChange) -> ProfileChange:
    return below.model_copy(update=above.model_dump(exclude_none=True))


def changed(profile: Profile, model: str, changes: Changes) -> Profile:
    """The profile as the person says. `refused` holds parameters, or the words of `convert.refusals`."""
    if not changes:
        return profile
    said = change_of(model, changes).model_dump(exclude_none=True)
    refused = said.pop("refused", ())
    return reduce(learnt, refused, replace(profile, **said))
