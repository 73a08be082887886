"""A request made fit for the one that will be asked: documents read, images described, the prompt chain run."""

from collections.abc import Mapping
from typing import Any

from anyclaude.backends.base import NO_JOURNAL, Backend, Caller, Journal, Sighted
from anyclaude.backends.documents import Documents
from anyclaude.backends.prompting import Chain
from anyclaude.backends.vision import Descriptions
from anyclaude.config.model import Mode
from anyclaude.config.routes import Target
from anyclaude.prompt.options import Options


class Preparing:
    """options: of the prompt chains of the backends that have one. documents: for backends whose models read no PDFs.

    descriptions: for models that take no images; None: they are told that there is one.
    """

    def __init__(
        self,
        options: Mapping[Mode, Options],
        documents: Mapping[Mode, Documents],
        descriptions: Descriptions | None,
    ) -> None:
        self._chains = {mode: Chain(chosen) for mode, chosen in options.items()}
        self._documents = documents
        self._descriptions = descriptions

    def optimised(self, target: Target, request: Mapping[str, Any], journal: Journal) -> Mapping[str, Any]:
        """As the prompt chain leaves it."""
        chain = self._chains.get(target.backend)
        return chain.optimised(request, journal) if chain else request

    async def counted(self, target: Target, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """As it is counted: with the text of its documents, which is read but once; no image is described for it."""
        if documents := self._documents.get(target.backend):
            request = await documents.readable({"messages": [], **request}, NO_JOURNAL)
        return self.optimised(target, request, NO_JOURNAL)

    async def prepared(
        self, target: Target, backend: Backend, request: Mapping[str, Any], caller: Caller
    ) -> Mapping[str, Any]:
        """As it goes to the backend. Reading and describing may take minutes, once for each document and image."""
        if documents := self._documents.get(target.backend):
            request = await documents.readable(request, caller.journal)
        if self._descriptions and isinstance(backend, Sighted) and not backend.sees(target.model):
            request = await self._descriptions.described(request, caller)
        return self.optimised(target, request, caller.journal)
