"""What models get wrong in their answers, put right on the way to the client, and told to the journal."""

from collections.abc import Mapping
from typing import Any

from anyclaude.backends.base import Caller
from anyclaude.convert.answer_reader import Stage
from anyclaude.convert.mended_calls import MendedCalls, Repair, schemas_of
from anyclaude.convert.repetition import CirclingText


def stages_of(request: Mapping[str, Any], caller: Caller) -> list[Stage]:
    """The stages of one answer, in the order in which its events go through them."""

    def tell(repair: Repair) -> None:
        caller.journal.note("repair", tool=repair.tool, what=repair.what)

    return [MendedCalls(schemas_of(request), tell), CirclingText()]
