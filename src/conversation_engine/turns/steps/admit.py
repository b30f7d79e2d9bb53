"""tx₁: the question and its turn, committed before any model is called."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import BusyPolicy, Conversation, MessageRole, NewMessage
from conversation_engine.domains.llm.parts import parts_of
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.infra.crash_points import crash_point
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import MessageId, TurnId, parse_id
from conversation_engine.kernel.text import checked_text
from conversation_engine.turns.calls import check_results
from conversation_engine.turns.errors import TurnInProgressError, TurnNotFoundError
from conversation_engine.turns.line import TurnLine
from conversation_engine.turns.repo import TurnRepo
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.session_rules import check_free, sampling_for
from conversation_engine.turns.spending import TurnSpending
from conversation_engine.turns.types import Lease, NewTurn, Turn, TurnState

STOP_LIMIT_CHARACTERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """A turn that is committed."""

    turn: Turn
    run: TurnRun | None = None
    """Set when the turn runs here and now; else it waits in line, or the request was a repetition."""


class _LineAheadError(Exception):
    """Nothing runs at the moment, but others came first."""


class AdmitStep:
    """Lets one turn in."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        llm: LlmService,
        clock: Clock,
        line: TurnLine,
        ledger: IdempotencyLedger,
        spending: TurnSpending,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._llm = llm
        self._clock = clock
        self._line = line
        self._ledger = ledger
        self._spending = spending
        self._repo = TurnRepo()

    async def __call__(self, new: NewTurn, *, lease: Callable[[], Lease], policy: BusyPolicy) -> Admission:
        """Write the message and the turn in one short transaction, and read the newest messages: four statements.

        Raises TurnInProgressError when the conversation is still answering and `policy` is not to queue,
        QueueFullError, UnknownModelError, IdempotencyKeyReusedError, OverBudgetError, UnknownPriceError, and what the
        conversation's service raises; nothing is written then. Where budgets apply it takes two more and one for each.
        The `lease` is made when the turn is written: it may have waited for a connection longer than a lease lasts.
        """
        turn_id = TurnId(new_id())
        new = self._with_preceding(self._checked(new), turn_id)
        message = self._message(new, turn_id)
        try:
            return await self._once(
                new, turn_id, lambda tx: self._admit(tx, new, turn_id, message, lease=lease, policy=policy)
            )
        except (ConstraintViolation, _LineAheadError) as error:
            if policy is BusyPolicy.QUEUE and not new.preceding:
                return await self._once(new, turn_id, lambda tx: self._queue(tx, new, turn_id, message))
            running = await self._database.read(lambda tx: self._repo.find_running(tx, new.conversation_id))
            raise TurnInProgressError(running.id if running else None) from error

    async def _once(self, new: NewTurn, turn_id: TurnId, effect: Callable[[Tx], Admission]) -> Admission:
        def work(tx: Tx) -> Admission:
            admission = effect(tx)
            crash_point("admit.before_commit")
            return admission

        admission = await self._ledger.write(
            new.once, work, owner_id=new.owner_id, result_id=turn_id, replay=self._repeated
        )
        crash_point("admit.after_commit")
        return admission

    def _repeated(self, tx: Tx, turn_id: str) -> Admission:
        turn = self._repo.find(tx, TurnId(turn_id))
        if turn is None:  # its conversation was deleted
            raise TurnNotFoundError(TurnId(turn_id))
        return Admission(turn=turn)

    def _checked(self, new: NewTurn) -> NewTurn:
        prompt = new.system_prompt
        _check_sampling(new.sampling)
        return replace(
            new,
            starts=None if new.starts is None else self._conversations.checked_conversation(new.starts),
            parent_id=None if new.parent_id is None else MessageId(parse_id(new.parent_id)),
            system_prompt=None if prompt is None else self._conversations.checked_prompt(prompt),
            reply_metadata=self._conversations.checked_metadata(new.reply_metadata),
        )

    def _with_preceding(self, new: NewTurn, turn_id: TurnId) -> NewTurn:
        """With what precedes the message checked, and the first of it in the message's place."""
        if not new.preceding:
            return new
        said = [replace(one, turn_id=turn_id, parent_id=None) for one in new.preceding]
        said[0] = replace(said[0], parent_id=new.parent_id)
        return replace(new, parent_id=None, preceding=[self._conversations.checked_message(one) for one in said])

    def _message(self, new: NewTurn, turn_id: TurnId) -> NewMessage | None:
        if new.content is None:
            return None
        message = NewMessage(
            id=MessageId(new_id()),
            role=MessageRole.USER,
            content=new.content,
            turn_id=turn_id,
            parent_id=new.parent_id,
            metadata=new.message_metadata,
        )
        return self._conversations.checked_message(message)

    def _admit(
        self,
        tx: Tx,
        new: NewTurn,
        turn_id: TurnId,
        message: NewMessage | None,
        *,
        lease: Callable[[], Lease],
        policy: BusyPolicy,
    ) -> Admission:
        if new.starts is not None:
            self._conversations.start(tx, new.conversation_id, new.starts)
        conversation = self._say(tx, new, message)
        check_free(conversation, model=new.model, system_prompt=new.system_prompt)
        turn = self._turn(new, turn_id, conversation, TurnState.RUNNING, answers=conversation.active_leaf_id)
        run = self._line.run_of(tx, turn, conversation)
        if isinstance(new.content, dict):
            check_results(run.newest)
        self._spending.reserve(tx, run)
        are_others_first = self._repo.insert(tx, turn, lease=lease())
        if are_others_first and policy is not BusyPolicy.INTERRUPT:
            raise _LineAheadError
        return Admission(turn=turn, run=run)

    def _queue(self, tx: Tx, new: NewTurn, turn_id: TurnId, message: NewMessage | None) -> Admission:
        conversation = self._conversations.owned(tx, new.conversation_id, owner_id=new.owner_id)
        check_free(conversation, model=new.model, system_prompt=new.system_prompt)
        answers = message.id if message else new.parent_id
        turn = self._turn(new, turn_id, conversation, TurnState.QUEUED, answers=answers)
        self._line.check_budget(tx, turn, conversation, message)
        return Admission(turn=self._line.join(tx, turn, message))

    def _turn(
        self,
        new: NewTurn,
        turn_id: TurnId,
        conversation: Conversation,
        state: TurnState,
        *,
        answers: MessageId | None,
    ) -> Turn:
        card = self._llm.card(new.model or conversation.model)
        said = () if isinstance(new.content, str) else [parts_of(new.content)]
        self._llm.check_can(card, new.sampling, said)
        return Turn(
            id=turn_id,
            conversation_id=conversation.id,
            owner_id=conversation.owner_id,
            role=new.role,
            state=state,
            attempt=1,
            model=card.name,
            system_prompt=new.system_prompt,
            sampling=sampling_for(conversation, new.sampling),
            window=new.window,
            reply_metadata=new.reply_metadata,
            retrieval=new.retrieval,
            user_message_id=answers,
            reply_message_id=MessageId(new_id()),
            error=None,
            created_at=self._clock.now(),
            finished_at=None,
        )

    def _say(self, tx: Tx, new: NewTurn, message: NewMessage | None) -> Conversation:
        for earlier in new.preceding:
            self._conversations.append(tx, new.conversation_id, earlier, owner_id=new.owner_id)
        if message is None:
            return self._conversations.open_for_reply(
                tx, new.conversation_id, owner_id=new.owner_id, parent_id=new.parent_id
            )
        conversation, _ = self._conversations.append(tx, new.conversation_id, message, owner_id=new.owner_id)
        return conversation


def _check_sampling(sampling: Sampling) -> None:
    for name, value in (("temperature", sampling.temperature), ("top_p", sampling.top_p)):
        if value is not None and not math.isfinite(value):
            raise InvalidInputError(f"The {name} is not a finite number. Send one such as 0.7.", field=name)
    for stop in sampling.stop:
        checked_text(stop, name="stop sequence", limit_characters=STOP_LIMIT_CHARACTERS, blank_allowed=True)
