"""What the model is shown."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Final

from conversation_engine.domains.context.errors import NothingToAnswerError
from conversation_engine.domains.context.ports import Resemblance
from conversation_engine.domains.context.recall import (
    MOST_HITS,
    Found,
    Place,
    best_places,
    nearest,
    neighbours,
    note_of,
    rank,
    weigh,
    words_of,
)
from conversation_engine.domains.context.service import SummaryService
from conversation_engine.domains.context.settings import ContextSettings
from conversation_engine.domains.context.strategies import choose
from conversation_engine.domains.context.types import (
    Budget,
    Candidate,
    Choice,
    Digest,
    Frame,
    History,
    Recalled,
    Summary,
    Window,
)
from conversation_engine.domains.context.window import choose_history, exchange_of, frame_of, make_window, recall_tokens
from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.pins.service import PinService
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, Utterance
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.domains.llm.parts import parts_of
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.domains.llm.tokens import (
    MESSAGE_OVERHEAD_TOKENS,
    template_tokens_for,
    tokens_for,
    tools_tokens_for,
)
from conversation_engine.domains.llm.types import ModelCard, Sampling
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.kernel.windows import RecallScope, WindowOptions
from conversation_engine.turns.prefixes import PromptPrefixes
from conversation_engine.turns.run import TurnRun, first_page_messages

SPARE_MESSAGES: Final = 1.25
"""How many more are read than the average of those before them would fill the window with."""
DIGEST_HEAD: Final = "[Summary of what was said before:]\n"
LEAST_RECALL_TOKENS: Final = 150
"""Less would hold hardly a message. Never more than a quarter of what the prompt has room for, though."""
LEAST_OF_FURTHER_PAGE: Final = 64
"""Messages."""

SHRUNK_SHARE: Final = 0.7
"""Of a budget that the provider found too long: our count is an estimate for most vocabularies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRequest:
    """A window that is wanted."""

    conversation: Conversation
    card: ModelCard
    sampling: Sampling
    options: WindowOptions
    """Those of the request; the conversation's own come after them."""
    newest: Sequence[Utterance]
    """The newest messages of the path, newest first: `first_page_messages` of them if there are so many."""
    query: str | None = None
    """What would be said beyond them."""
    share: float = 1.0
    """Of the budget that may be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    choice: Choice
    budget: Budget
    frame: Frame
    history: History
    ranked: Sequence[Recalled]
    """Older messages that have to do with the question, best first."""


class AssembleStep:
    """Builds the window of a turn."""

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        pins: PinService,
        summaries: SummaryService,
        words: WordService,
        llm: LlmService,
        settings: ContextSettings,
        resemblance: Resemblance | None = None,
    ) -> None:
        """`resemblance` tells which of the messages that share words with a question are near it in meaning."""
        self._database = database
        self._conversations = conversations
        self._pins = pins
        self._summaries = summaries
        self._words = words
        self._resemblance = resemblance
        self._llm = llm
        self._settings = settings
        self._prefixes = PromptPrefixes()

    async def __call__(self, run: TurnRun) -> Window:
        """Choose among the newest of the active path: no statement when those read at admission are all there is.

        The second time for the same run, because the provider found the first window too long, it is smaller. Raises
        MessageTooLongError or NothingToAnswerError.
        """
        window = await self.window(
            WindowRequest(
                conversation=run.conversation,
                card=run.card,
                sampling=run.turn.sampling,
                options=run.turn.window,
                newest=run.newest,
                share=1.0 if run.window is None else SHRUNK_SHARE,
            )
        )
        if run.window is not None:
            before = run.window.input_tokens
            window.manifest["shrunk"] = {"from_tokens": before, "reason": "the provider found it too long"}
        self._prefixes.remember(run.conversation.id, window)
        return window

    async def window(self, wanted: WindowRequest) -> Window:
        """What the model is shown. Four statements at most, however long the conversation."""
        first_page = list(_as_candidates(wanted.newest, wanted.card))
        plan: _Plan | None = None
        with suppress(_StoreIsNeeded):
            plan = self._plan(wanted, first_page, None)
        if plan is None:
            plan = await self._database.read(lambda tx: self._plan(wanted, first_page, tx))
        ranked = plan.ranked
        if ranked and self._resemblance is not None:
            ranked = await nearest(self._resemblance, plan.frame.newest.text, ranked)
        recalled, note = note_of(
            ranked,
            most=plan.choice.recall_messages,
            room=recall_tokens(plan.frame, plan.budget) - plan.budget.overhead_tokens,
            count=_counter(wanted.card),
        )
        window = make_window(
            plan.frame, plan.history, budget=plan.budget, choice=plan.choice, note=note, recalled=recalled
        )
        self._note_prefix(wanted.conversation, window)
        return window

    def first_page(self, tx: Tx, conversation: Conversation) -> Sequence[Utterance]:
        """What `WindowRequest.newest` wants."""
        return self._conversations.newest(tx, conversation, count=first_page_messages(conversation))

    def _plan(self, wanted: WindowRequest, first_page: Sequence[Candidate], tx: Tx | None) -> _Plan:
        conversation, card = wanted.conversation, wanted.card
        choice = choose(self._settings, conversation.type, wanted.options.over(conversation.window))
        budget = self._budget(wanted, choice)
        prompt = conversation.system_prompt
        messages = self._messages(wanted, first_page, tx, budget)
        newest = next(messages, None)
        if newest is None:
            raise NothingToAnswerError
        exchange: Sequence[Candidate] = ()
        if newest.parts is not None and (newest.parts.results or newest.parts.calls):
            exchange, newest, messages = exchange_of(newest, messages)
        frame = frame_of(
            newest,
            system_prompt=prompt,
            system_tokens=tokens_for(card, prompt) if prompt else 0,
            budget=budget,
            pinned=self._pinned(wanted, tx),
            too_long=choice.too_long,
            count=_counter(card),
            exchange=exchange,
        )
        history = choose_history(
            messages,
            frame=frame,
            budget=budget,
            choice=choice,
            start=conversation.window_start,
            digests=self._digests(wanted, tx) if choice.uses_summary else (),
            is_linear=not conversation.is_branched,
        )
        ranked: Sequence[Recalled] = ()
        if choice.recall_scope:
            ranked = self._ranked(wanted, tx, choice=choice, newest=newest, history=history)
        return _Plan(choice=choice, budget=budget, frame=frame, history=history, ranked=ranked)

    def _budget(self, wanted: WindowRequest, choice: Choice) -> Budget:
        card = wanted.card
        template = template_tokens_for(card, is_instructed=bool(wanted.conversation.system_prompt))
        template += tools_tokens_for(card, wanted.sampling)
        total = card.context_tokens - self._llm.reply_limit_tokens(card, wanted.sampling) - template
        total = int(min(total, choice.budget_tokens or total) * wanted.share)
        return Budget(
            total_tokens=total,
            overhead_tokens=MESSAGE_OVERHEAD_TOKENS,
            recall_tokens=max(int(total * choice.recall_share), LEAST_RECALL_TOKENS) if choice.recall_scope else 0,
        )

    def _pinned(self, wanted: WindowRequest, tx: Tx | None) -> Sequence[Candidate]:
        if not wanted.conversation.has_pins:
            return ()
        if tx is None:
            raise _StoreIsNeeded
        return list(_as_candidates(self._pins.of_path(tx, wanted.conversation), wanted.card))

    def _digests(self, wanted: WindowRequest, tx: Tx | None) -> Sequence[Digest]:
        if not wanted.conversation.summarized_through:
            return ()
        if tx is None:
            raise _StoreIsNeeded
        return [
            _as_digest(summary, wanted.card)
            for summary in self._summaries.newest(tx, wanted.conversation.id)
            if summary.text
        ]

    def _ranked(
        self, wanted: WindowRequest, tx: Tx | None, *, choice: Choice, newest: Candidate, history: History
    ) -> Sequence[Recalled]:
        """Two statements where something was left out, else none; one more to look beyond the conversation."""
        is_wide, dropped = choice.recall_scope is RecallScope.USER, history.newest_dropped
        is_known = wanted.conversation.words_through > 0
        words = words_of(newest.text) if (dropped and is_known) or is_wide else []
        if not words:
            return ()
        if tx is None:
            raise _StoreIsNeeded
        conversation = wanted.conversation
        having: list[list[Place]] = [[] for _ in words]
        if dropped and is_known:
            inside = self._words.in_conversation(tx, conversation, words, before=dropped + 1, most=MOST_HITS)
            having = [[(None, number) for number in numbers] for numbers in inside]
        if is_wide:
            outside = self._words.elsewhere(tx, conversation, words, most=MOST_HITS)
            having = [[*here, *there] for here, there in zip(having, outside, strict=True)]
        weights, total = weigh(having, messages=conversation.last_sequence + MOST_HITS * is_wide)
        places = best_places(weights, wanted=choice.recall_messages)
        wanted_places = set(places) if conversation.is_branched else neighbours(places)
        return rank(self._found(tx, wanted, wanted_places, dropped or 0), weights, total=total)

    def _found(self, tx: Tx, wanted: WindowRequest, places: Collection[Place], last: int) -> list[Found]:
        here = wanted.conversation.id
        at = [
            (here if elsewhere is None else ConversationId(elsewhere), number)
            for elsewhere, number in places
            if number > 0 and (elsewhere is not None or number <= last)
        ]
        said = self._words.said_at(tx, at)
        candidates = _as_candidates([utterance for _, utterance in said], wanted.card)
        return [
            Found((None if where == here else where, candidate.sequence_number), candidate)
            for (where, _), candidate in zip(said, candidates, strict=True)
        ]

    def _messages(
        self, wanted: WindowRequest, first_page: Sequence[Candidate], tx: Tx | None, budget: Budget
    ) -> Iterator[Candidate]:
        """The path, newest first; further pages are as large as what the window has room for."""
        conversation, card = wanted.conversation, wanted.card
        if wanted.query is not None:
            tokens = tokens_for(card, wanted.query)
            yield Candidate(conversation.last_sequence + 1, "user", wanted.query, tokens)
        page, count, used, read = first_page, first_page_messages(conversation), 0, 0
        while page:
            yield from page
            if len(page) < count:
                return
            if tx is None:
                raise _StoreIsNeeded
            read += len(page)
            used += sum([candidate.tokens for candidate in page]) + budget.overhead_tokens * len(page)
            missing = max(0, budget.total_tokens - used) / (used / read) * SPARE_MESSAGES
            count = max(LEAST_OF_FURTHER_PAGE, ceil(missing))
            before = page[-1].sequence_number
            page = list(_as_candidates(self._conversations.newest(tx, conversation, before=before, count=count), card))

    def _note_prefix(self, conversation: Conversation, window: Window) -> None:
        shared = self._prefixes.shared_tokens(conversation.id, window, overhead_tokens=MESSAGE_OVERHEAD_TOKENS)
        share = None if shared is None else round(shared / window.input_tokens, 3)
        window.manifest["prefix"] = {"shared_tokens": shared, "share": share}


class _StoreIsNeeded(Exception):
    """What was read with the admission is not enough."""


def _as_candidates(page: Sequence[Utterance], card: ModelCard) -> Iterator[Candidate]:
    for number, role, content, tokens in page:
        if isinstance(content, str):
            yield Candidate(number, role.value, content, tokens_for(card, content, tokens))
        else:
            text = as_text(content)
            yield Candidate(number, role.value, text, tokens_for(card, text, tokens), parts_of(content))


def _as_digest(summary: Summary, card: ModelCard) -> Digest:
    text = DIGEST_HEAD + summary.text
    tokens = tokens_for(card, text)
    return Digest(summary.id, summary.last_sequence, text, tokens, summary.first_sequence)


def _counter(card: ModelCard) -> Callable[[str], int]:
    return lambda text: tokens_for(card, text)
