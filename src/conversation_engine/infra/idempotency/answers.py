"""Answers that are kept, so that a request which is sent again with its key is not carried out again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from conversation_engine.infra.db.joined import joining
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.kernel.once import AnswerPendingError, KeptAnswer, KeyTakenError, Once

LOOKS: Final = 40
LOOK_SECONDS: Final = 0.05
"""How often, and how far apart, a repetition looks for the answer to the first request while that is at work."""


class AnswerBook:
    """For requests whose services know nothing of keys: the key joins the first transaction that they write."""

    def __init__(self, ledger: IdempotencyLedger) -> None:
        self._ledger = ledger

    async def answer(
        self, once: Once, act: Callable[[], Awaitable[KeptAnswer | None]], *, owner_id: str
    ) -> KeptAnswer | None:
        """`act`, and its answer; for a key that took effect already, the answer that was given then.

        A request that fails, writes nothing or has an answer that must not be kept (`None`) leaves its key free. Two
        short transactions more than without a key. Raises IdempotencyKeyReusedError, AnswerPendingError (the first one
        is still at work, or died before it could answer) and what `act` raises.
        """
        known = await self._known(once, owner_id=owner_id)
        if known is not None:
            return known
        try:
            return await self._carried_out(once, act, owner_id=owner_id)
        except KeyTakenError:
            known = await self._known(once, owner_id=owner_id)
        if known is None:  # the other one failed, and the key is free again
            raise AnswerPendingError
        return known

    async def _carried_out(
        self, once: Once, act: Callable[[], Awaitable[KeptAnswer | None]], *, owner_id: str
    ) -> KeptAnswer | None:
        answer: KeptAnswer | None = None
        with joining(lambda tx: self._ledger.claim(tx, once, owner_id=owner_id)) as joined:
            try:
                answer = await act()
            finally:
                if joined.is_committed and answer is not None:
                    await self._ledger.keep(once, answer, owner_id=owner_id)
                elif joined.is_committed:
                    await self._ledger.release(once, owner_id=owner_id)
        return answer

    async def _known(self, once: Once, *, owner_id: str) -> KeptAnswer | None:
        for _ in range(LOOKS):
            used = await self._ledger.find(once, owner_id=owner_id)
            if used is None:
                return None
            if used.answer is not None:
                return used.answer
            await asyncio.sleep(LOOK_SECONDS)
        raise AnswerPendingError
