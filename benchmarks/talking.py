"""Turns of the product in this process, with a model that answers at once."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

from conversation_engine.domains.context.service import SummaryService
from conversation_engine.domains.conversations.types import BusyPolicy, MessageRole, NewConversation, NewMessage
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import (
    Attempt,
    AttemptStatus,
    ModelCard,
    TokenUsage,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.migrating import upgrade
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_catalog
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, LlmRequestId, MessageId, UserId
from conversation_engine.testing import Say, ScriptedModel
from conversation_engine.turns.call_books import CallBooks
from conversation_engine.turns.line import TurnLine
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.spending import TurnSpending
from conversation_engine.turns.steps.admit import AdmitStep
from conversation_engine.turns.steps.assemble import AssembleStep
from conversation_engine.turns.steps.record import Ending, RecordStep
from conversation_engine.turns.types import Lease, NewTurn, TurnState

OWNER = UserId("bench")
USAGE = TokenUsage(input_tokens=500, cached_tokens=0, output_tokens=210)
CONTEXT_TOKENS = 5000
"""Room for about twenty of our messages beside the longest reply: what the hand-written SQL reads too."""
_SEED_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Talker:
    """An engine and its scripted model."""

    engine: ConversationEngine
    model: ScriptedModel

    async def new_conversation(self, *, messages: int = 0) -> ConversationId:
        """A conversation in which `messages` have been said."""
        conversation = await self.engine.conversations.create(NewConversation(owner_id=OWNER))
        for start in range(0, messages, _SEED_BATCH):
            count = min(_SEED_BATCH, messages - start)
            await self.engine.database.write(lambda tx, n=count: self._seed(tx, conversation.id, n))  # type: ignore[misc]
        return conversation.id

    async def turn(self, conversation_id: ConversationId, question: str, *reply: str) -> None:
        """One whole turn through the service: as the product runs it, checkpoints of the reply included."""
        self.model.then(*(Say(piece) for piece in reply))
        turns = self.engine.turns
        new = NewTurn(conversation_id=conversation_id, owner_id=OWNER, content=question, model="scripted/model")
        await turns.wait(await turns.submit(new))

    def _seed(self, tx: Tx, conversation_id: ConversationId, count: int) -> None:
        for i in range(count):
            role = MessageRole.ASSISTANT if i % 2 else MessageRole.USER
            text = "said before " * (60 if i % 2 else 15)
            message = NewMessage(id=MessageId(new_id()), role=role, content=text, token_count=len(text) // 6)
            self.engine.conversations.append(tx, conversation_id, message, owner_id=OWNER)


class StorePath:
    """The steps of a turn that touch the store, without the model, its tasks and its stream."""

    def __init__(self, engine: ConversationEngine) -> None:
        catalog = make_catalog(engine.settings, {"scripted": ScriptedModel()})
        llm = LlmService(catalog, clock=engine.clock, settings=engine.settings)
        database, conversations, clock = engine.database, engine.conversations, engine.clock
        self._clock = clock
        self.holder = new_id()
        spending = TurnSpending(budgets=engine.budgets, conversations=conversations, llm=llm, calls_per_turn=1)
        limit = engine.settings.queue_limit
        line = TurnLine(conversations=conversations, llm=llm, clock=clock, limit=limit, spending=spending)
        ledger = IdempotencyLedger(database, clock=clock, hours=engine.settings.idempotency_hours)
        self._admit = AdmitStep(
            database, conversations=conversations, llm=llm, clock=clock, line=line, ledger=ledger, spending=spending
        )
        self._assemble = AssembleStep(
            database,
            conversations=conversations,
            pins=engine.pins,
            summaries=SummaryService(),
            words=WordService(),
            llm=llm,
            settings=engine.settings,
        )
        books = CallBooks(conversations=conversations, llm=llm, spending=spending)
        self._record = RecordStep(
            database, conversations=conversations, llm=llm, clock=clock, line=line, spending=spending, books=books
        )

    async def turn(self, conversation_id: ConversationId, question: str, reply: str) -> None:
        """admit → assemble → record."""
        run = await self.admitted(conversation_id, question)
        window = await self._assemble(run)
        ending = Ending(
            turn=run.turn,
            state=TurnState.COMPLETED,
            text=reply,
            attempts=(self._attempt(run.card, conversation_id, run.turn.id),),
            error=None,
            manifest=window.manifest,
            window_start=window.start,
            is_checkpointed=False,
            holder=self.holder,
            is_promised=run.is_promised,
        )
        if await self._record(ending, lease=None) is None:
            raise AssertionError("the turn was not recorded")

    async def admitted(self, conversation_id: ConversationId, question: str) -> TurnRun:
        """A turn whose first transaction is done; nobody works on it."""
        new = NewTurn(conversation_id=conversation_id, owner_id=OWNER, content=question, model="scripted/model")
        lease = Lease(holder=self.holder, expires_at=self._clock.now() + timedelta(minutes=10))
        admission = await self._admit(new, lease=lambda: lease, policy=BusyPolicy.REJECT)
        if admission.run is None:
            raise AssertionError("the turn does not run")
        return admission.run

    def _attempt(self, card: ModelCard, conversation_id: ConversationId, turn_id: str) -> Attempt:
        return Attempt(
            id=LlmRequestId(new_id()),
            conversation_id=conversation_id,
            owner_id=OWNER,
            turn_id=turn_id,  # type: ignore[arg-type]
            attempt=1,
            provider=card.provider,
            model=card.provider_model,
            parameters={},
            status=AttemptStatus.COMPLETED,
            latency_ms=1,
            first_token_ms=1,
            usage=USAGE,
            cost=None,
            finish_reason="stop",
            error_code=None,
            error_cause=None,
            created_at=self._clock.now(),
        )


@contextlib.asynccontextmanager
async def talker(url: str) -> AsyncIterator[Talker]:
    """An engine over the database at `url`, with its schema."""
    model = ScriptedModel(usage=USAGE)
    settings = Settings(database_url=url, model_context_tokens=CONTEXT_TOKENS, log_level="WARNING")  # type: ignore[arg-type]
    async with ConversationEngine(settings, providers={"scripted": model}) as engine:
        await upgrade(engine.database)
        yield Talker(engine=engine, model=model)
