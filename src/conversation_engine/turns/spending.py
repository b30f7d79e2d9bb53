"""What turns cost, between the models that know and the budgets that bound it."""

import json
from collections.abc import Sequence
from decimal import Decimal
from math import ceil
from typing import Final

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Content, Conversation, Usage, Utterance
from conversation_engine.domains.limits.service import BudgetService, payers_of
from conversation_engine.domains.limits.types import Amount, Expected, Payers
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import MESSAGE_OVERHEAD_TOKENS, count_tokens, ratio_for, tools_text
from conversation_engine.domains.llm.types import Attempt
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import TurnId
from conversation_engine.turns.run import TurnRun, first_page_messages
from conversation_engine.turns.types import Turn

MOST_COUNTED: Final = 1000
"""Messages whose stored tokens are added up; of a longer conversation the whole window is expected."""
OWING_AT_ONCE: Final = 1000


class TurnSpending:
    """For turns. Every method joins the caller's transaction. Without a budget it costs nothing."""

    def __init__(
        self, *, budgets: BudgetService, conversations: ConversationService, llm: LlmService, calls_per_turn: int
    ) -> None:
        """`calls_per_turn`: how many calls of a turn may each be paid in full."""
        self._budgets = budgets
        self._conversations = conversations
        self._llm = llm
        self._calls = calls_per_turn

    @property
    def may_bound_any(self) -> bool:
        """Whether there are budgets at all. No I/O."""
        return self._budgets.may_be_any

    def may_bound(self, turn: Turn, conversation: Conversation) -> bool:
        """Whether a budget may apply. No I/O."""
        return self._budgets.may_apply(_payers(turn, conversation))

    def reserve(self, tx: Tx, run: TurnRun, *, more_tokens: int = 0) -> None:
        """Promise the most that the turn can cost, where a budget applies; `more_tokens` are still to be said.

        Raises OverBudgetError or UnknownPriceError.
        """
        payers = _payers(run.turn, run.conversation)
        if not self._budgets.may_apply(payers):
            return
        input_tokens = self._most_input_tokens(tx, run, more_tokens)
        if self._budgets.reserve(tx, run.turn.id, payers, self._expected(run, input_tokens)):
            run.is_promised, run.promised_input_tokens = True, input_tokens

    def cover_window(self, tx: Tx, run: TurnRun, *, input_tokens: int) -> None:
        """Promise more for a window that became larger than was expected. Raises as `reserve` does."""
        promised = run.promised_input_tokens
        if promised is None or input_tokens <= promised:
            return
        before, now = self._expected(run, promised), self._expected(run, input_tokens)

        def dollars() -> Decimal | None:
            less, more = before.dollars(), now.dollars()
            return None if less is None or more is None else more - less

        self._budgets.raise_reservation(tx, run.turn.id, Expected(tokens=now.tokens - before.tokens, dollars=dollars))
        run.promised_input_tokens = input_tokens

    def settle(self, tx: Tx, turn_id: TurnId, attempts: Sequence[Attempt]) -> None:
        """Put what the calls came to in the place of what was promised. Idempotent."""
        self._budgets.settle(tx, turn_id, spent_on(attempts))

    def promise_more(self, tx: Tx, turn_id: TurnId, spent: Sequence[Attempt]) -> None:
        """Promise what these calls came to beside what was promised: the turn goes on. Raises OverBudgetError."""
        if self._budgets.may_be_any and spent:
            self._budgets.promise_more(tx, turn_id, spent_on(spent))

    def amend(self, tx: Tx, turn_id: TurnId, told: Sequence[Attempt], *, before: Sequence[Attempt]) -> None:
        """The calls of a settled turn were `told`, not `before` as it seemed. No effect on one that is not settled."""
        now, then = spent_on(told), spent_on(before)
        more = Amount(dollars=now.dollars - then.dollars, tokens=now.tokens - then.tokens)
        self._budgets.amend(tx, turn_id, more)

    def owing(self, tx: Tx, *, older_than_seconds: float) -> Sequence[TurnId]:
        """Turns that have promised something for so long and have not settled it: most of them run. One statement."""
        return self._budgets.unsettled(tx, older_than_seconds=older_than_seconds, count=OWING_AT_ONCE)

    def _expected(self, run: TurnRun, input_tokens: int) -> Expected:
        most = self._llm.most(run.card, run.turn.sampling, input_tokens=input_tokens)

        def dollars() -> Decimal | None:
            price = most.dollars()
            return None if price is None else price * self._calls

        return Expected(tokens=most.tokens * self._calls, dollars=dollars)

    def _most_input_tokens(self, tx: Tx, run: TurnRun, more_tokens: int) -> int:
        """No window of this conversation is longer, unless something is added to it that was never said here."""
        card, conversation = run.card, run.conversation
        window = card.context_tokens - self._llm.reply_limit_tokens(card, run.turn.sampling)
        count, tokens = len(run.newest), sum(_stored_tokens(said) for said in run.newest)
        if count >= first_page_messages(conversation):
            count, tokens = self._conversations.count_newest_tokens(tx, conversation.id, most=MOST_COUNTED)
            if count >= MOST_COUNTED:
                return window
        prompt = conversation.system_prompt
        own = tokens + more_tokens + (count_tokens(prompt) if prompt else 0)
        own += count_tokens(tools_text(run.turn.sampling)) if run.turn.sampling.tools else 0
        overhead = (count + 2) * (MESSAGE_OVERHEAD_TOKENS + 1)  # every message's own count is rounded up
        return min(window, ceil(own * ratio_for(card)) + overhead)


def spent_on(attempts: Sequence[Attempt]) -> Amount:
    """What these calls came to, as far as it is known."""
    used = [attempt.usage for attempt in attempts if attempt.usage is not None]
    return Amount(
        tokens=sum(usage.input_tokens + usage.output_tokens for usage in used),
        dollars=sum((attempt.cost for attempt in attempts if attempt.cost is not None), Amount().dollars),
    )


def total_usage(attempts: Sequence[Attempt]) -> Usage:
    """The sum of what the calls used, estimates included, and of what is known of their cost."""
    used = [attempt.usage for attempt in attempts if attempt.usage is not None]
    return Usage(
        input_tokens=sum(usage.input_tokens for usage in used),
        output_tokens=sum(usage.output_tokens for usage in used),
        cost=sum((attempt.cost for attempt in attempts if attempt.cost is not None), Decimal(0)),
    )


def tokens_in(content: Content) -> int:
    """What a message says, in tokens that are not the model's own yet."""
    return count_tokens(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False))


def _stored_tokens(said: Utterance) -> int:
    return tokens_in(said.content) if said.counted_tokens is None else said.counted_tokens


def _payers(turn: Turn, conversation: Conversation) -> Payers:
    return payers_of(turn.owner_id, turn.role, conversation=conversation.id, persona=conversation.persona_id)
