"""What documents say about the question."""

from collections.abc import Sequence
from typing import Final

from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.domains.retrieval.types import (
    Borrower,
    CollectionId,
    RetrievalOptions,
    SearchRequest,
    Strategy,
)
from conversation_engine.infra.observability.tracing import NO_TRACES, Tracer
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.people import Principal, Role
from conversation_engine.turns.evidence import KNOWN_TO_A_CLIENT, RULES, Evidence, fence
from conversation_engine.turns.ports import QuestionResolver
from conversation_engine.turns.run import TurnRun

QUESTION_LIMIT_CHARACTERS: Final = 2000
"""Of a long message its beginning is searched for."""


class RetrieveStep:
    """Looks the answer up, where the turn or its conversation wants that; else it does nothing at all."""

    def __init__(
        self, retrieval: RetrievalService, *, resolver: QuestionResolver, clock: Clock, tracer: Tracer = NO_TRACES
    ) -> None:
        self._tracer = tracer
        self._retrieval = retrieval
        self._resolver = resolver
        self._clock = clock

    async def __call__(self, run: TurnRun) -> Evidence | None:
        """One statement on PostgreSQL; none where there is nothing to look up."""
        options = _options(run)
        if options is None or not run.newest or not isinstance(run.newest[0].content, str):
            return None
        with self._tracer.span("turn.retrieve") as span:
            found = await self._look_up(run, options, run.newest[0].content)
            span.tell({"convo.retrieval.hits": len(found.outcome.hits), "convo.retrieval.shown": len(found.shown)})
            return found

    async def _look_up(self, run: TurnRun, options: RetrievalOptions, said: str) -> Evidence:
        since = self._clock.monotonic()
        resolved = await self._resolver.resolve(said, history=run.newest[1:], owner_id=run.turn.owner_id)
        question = resolved[:QUESTION_LIMIT_CHARACTERS]
        resolving = round((self._clock.monotonic() - since) * 1000, 3)
        borrower = _borrower(run)
        outcome = await self._retrieval.find(
            SearchRequest(
                caller=Principal(user_id=run.turn.owner_id, role=run.turn.role or Role.STUDENT),
                query=question,
                strategy=options.strategy,
                top_k=options.top_k,
                collection_ids=_collections(options, run.conversation.collection_ids, borrower),
                borrower=borrower,
                metadata=options.metadata,
            )
        )
        shown, text, tokens = fence(
            outcome.hits if outcome.is_relevant else [],
            card=run.card,
            limit_tokens=self._retrieval.settings.evidence_limit_tokens,
            secret=run.turn.id[-8:],
            rules=KNOWN_TO_A_CLIENT if borrower is not None else RULES,
        )
        return Evidence(
            question=question,
            outcome=outcome,
            shown=shown,
            text=text,
            tokens=tokens,
            milliseconds={"resolve": resolving, **outcome.milliseconds},
            is_absent=options.is_strict and not shown,
        )


def _options(run: TurnRun) -> RetrievalOptions | None:
    if run.turn.retrieval is not None:
        return run.turn.retrieval
    if not run.conversation.collection_ids and not run.conversation.has_loans:
        return None
    return RetrievalOptions(strategy=Strategy.RRF_FUSION)


def _collections(options: RetrievalOptions, own: Sequence[str], borrower: Borrower | None) -> list[CollectionId] | None:
    """What the client knows comes to those of the conversation; without either, it is all that may be read."""
    ids = options.collection_ids
    if ids is None and (own or borrower is not None):
        ids = tuple(own)
    return None if ids is None else [CollectionId(one) for one in ids]


def _borrower(run: TurnRun) -> Borrower | None:
    """The client that answers. Who asks documents, and not the client, gets what they may read themselves."""
    persona_id, version = run.conversation.persona_id, run.conversation.persona_version
    if run.turn.retrieval is not None or not run.conversation.has_loans or persona_id is None or version is None:
        return None
    return Borrower(persona_id=persona_id, version=version)
