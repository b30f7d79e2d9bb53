"""Tests of connections to models."""

from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.types import ModelCheck
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.turns.side_calls import SideCalls


class ModelCheckService:
    """The door to them."""

    def __init__(self, *, llm: LlmService, calls: SideCalls) -> None:
        self._llm = llm
        self._calls = calls

    async def check(self, name: str, caller: Principal) -> ModelCheck:
        """Whether a model answers, and what precisely is wrong if not: one small call, on the caller's record and bill.

        Where no budget of theirs covers it, the verdict is that. Raises RoleForbiddenError or UnknownModelError.
        """
        require_role(caller, Role.ADMIN)
        call = self._llm.check_call(name, owner_id=caller.user_id)
        refusal = await self._calls.begin(call, None, role=caller.role)
        if refusal is not None:
            return ModelCheck(model=call.card.name, verdict=refusal.code, sentence=refusal.detail, cause=None)
        check = await self._llm.check(call)
        attempts = [check.attempt] if check.attempt else []
        await self._calls.end(None, attempts, calls_id=call.turn_id)
        return check
