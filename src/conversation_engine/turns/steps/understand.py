"""What a question means in its conversation: by rules, or by a model where one is configured."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from conversation_engine.domains.context.questions import asking
from conversation_engine.domains.context.questions.reader import QuestionReader, leant_on
from conversation_engine.domains.context.questions.settings import UnderstandingSettings
from conversation_engine.domains.context.questions.talk import Said, Talk
from conversation_engine.domains.context.questions.types import Understanding
from conversation_engine.domains.conversations.types import Conversation
from conversation_engine.domains.llm.errors import UnknownModelError
from conversation_engine.domains.llm.service import Answer, LlmService, ModelCall
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, tokens_for
from conversation_engine.domains.llm.types import Attempt, LLMMessage, Sampling
from conversation_engine.infra.ids import new_id
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.ids import TurnId
from conversation_engine.kernel.people import Role
from conversation_engine.turns.sensing import QuestionSenses
from conversation_engine.turns.side_calls import SideCalls

OWN_MODEL: Final = "conversation"
REPLY_LIMIT_TOKENS: Final = 300
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A question's meaning, and the model calls that it took."""

    understanding: Understanding
    attempts: Sequence[Attempt] = ()
    calls_id: TurnId | None = None
    """What they have for a turn; `None`: no model was asked."""


class UnderstandStep:
    """Reads questions. Never fails: where the model does not help, the rules decide."""

    def __init__(
        self,
        *,
        reader: QuestionReader,
        senses: QuestionSenses,
        llm: LlmService,
        calls: SideCalls,
        settings: UnderstandingSettings,
    ) -> None:
        self._reader = reader
        self._senses = senses
        self._llm = llm
        self._calls = calls
        self._settings = settings

    async def __call__(
        self, query: str, said: Sequence[Said], conversation: Conversation | None, *, role: Role | None
    ) -> Understood:
        """What `query` means after `said` (oldest first). At most one model call, none where nothing was said.

        Where no budget of the owner's covers the call, the rules decide. `role`: of who asks, where it is known.
        """
        sense = None if conversation is None else await self._senses(query, said, owner_id=conversation.owner_id)
        rules = self._reader.understand(query, said, sense=sense)
        model = self._settings.understanding_model
        if model is None or conversation is None or not rules.follow_up.context:
            return Understood(understanding=rules)
        try:
            call = self._call(query, said, conversation, model=model)
        except UnknownModelError as error:
            _log.warning("question.model_unknown", model=error.detail)
            return Understood(understanding=rules)
        if await self._calls.begin(call, conversation, role=role) is not None:
            return Understood(understanding=rules)
        text, answer = await self._asked(call)
        reading = asking.parse(text, query, self._settings.intents)
        if reading is None:
            _log.warning("question.not_understood", conversation_id=conversation.id, model=call.card.name)
            return Understood(understanding=rules, attempts=answer.attempts, calls_id=call.turn_id)
        added = asking.added_words(query, reading.standalone)
        found = asking.merge(rules, reading, leans_on=leant_on(Talk.of(said), added))
        return Understood(understanding=found, attempts=answer.attempts, calls_id=call.turn_id)

    async def _asked(self, call: ModelCall) -> tuple[str, Answer]:
        heard: list[str] = []
        asked = asyncio.create_task(self._llm.answer(call, on_text=heard.append), name="question-reading")
        try:
            await asyncio.wait([asked], timeout=self._settings.understanding_timeout_seconds)
        finally:
            asked.cancel()  # it answers `cancelled`, with what it cost
        with suppress(asyncio.CancelledError):
            return "".join(heard), await asked
        return "", Answer(attempts=(), error=None)

    def _call(self, query: str, said: Sequence[Said], conversation: Conversation, *, model: str) -> ModelCall:
        card = self._llm.card(conversation.model if model == OWN_MODEL else model)
        shown = [
            LLMMessage("system", asking.instructions(self._settings.intents)),
            LLMMessage("user", asking.material(query, Talk.of(said))),
        ]
        return ModelCall(
            conversation_id=conversation.id,
            owner_id=conversation.owner_id,
            turn_id=TurnId(new_id()),  # no turn's call: nobody finds it among a turn's attempts
            attempt=1,
            card=card,
            messages=shown,
            sampling=Sampling(reply_limit_tokens=REPLY_LIMIT_TOKENS, temperature=0.0),
            input_tokens=sum(tokens_for(card, one.text) + MESSAGE_OVERHEAD_TOKENS for one in shown),
        )
