"""What one can ask of documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import Conversation, JsonObject, Message, NewConversation
from conversation_engine.domains.retrieval.service import RetrievalService
from conversation_engine.domains.retrieval.types import Chunk, RetrievalOptions
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId, parse_id
from conversation_engine.kernel.people import Principal
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.types import NewTurn, Turn, TurnDetail

CONVERSATION_TYPE = "rag_query"
TITLE_LIMIT_CHARACTERS = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A passage that a reply was given, as it stands in the documents now."""

    number: int
    """As the reply cites it."""
    is_cited: bool
    score: float
    chunk: Chunk


class RagService:
    """Looks up, then has a model answer from what was found. Its turns are turns like any others."""

    def __init__(self, conversations: ConversationService, turns: TurnService, retrieval: RetrievalService) -> None:
        self._conversations = conversations
        self._turns = turns
        self._retrieval = retrieval

    async def ask(self, new: NewTurn) -> Turn:
        """Ask in a conversation. Raises what `TurnService.submit` raises, and InvalidInputError."""
        options = new.retrieval or RetrievalOptions()
        return await self._turns.submit(replace(new, retrieval=replace(options, is_strict=True)))

    async def ask_anew(self, new: NewTurn) -> Turn:
        """The same in a new conversation of type `rag_query`, which the question names; `new` says no conversation."""
        text = new.content if isinstance(new.content, str) else ""
        title = " ".join(text.split())[:TITLE_LIMIT_CHARACTERS] or None
        started = NewConversation(owner_id=new.owner_id, type=CONVERSATION_TYPE, title=title)
        conversation = await self._conversations.create(started, once=new.once)
        once = None if new.once is None else replace(new.once, key=f"{new.once.key[:250]}/turn")
        return await self.ask(replace(new, conversation_id=conversation.id, once=once))

    async def wait(self, turn: Turn) -> TurnDetail:
        """How it ended, as soon as it has."""
        return await self._turns.wait(turn)

    async def sources(self, detail: TurnDetail) -> Sequence[Source]:
        """What the reply was given, by number; without what was deleted or is not to be read any more."""
        replies = [] if detail.reply is None else [detail.reply]
        return (await self.sources_of(replies, reader_id=detail.turn.owner_id)).get(detail.turn.reply_message_id, [])

    async def sources_of(
        self, replies: Sequence[Message], *, reader_id: UserId
    ) -> Mapping[MessageId, Sequence[Source]]:
        """The same of many replies; of those that were given something. One statement, none where none was."""
        given = {reply.id: _given(reply) for reply in replies if reply.metadata.get("search_results")}
        ids = list(dict.fromkeys(key for found in given.values() for key in found))
        if not ids:
            return {}
        chunks = {chunk.id: chunk for chunk in await self._retrieval.passages(ids, reader_id=reader_id)}
        return {
            reply.id: _sources(given[reply.id], chunks, cited=set(reply.metadata["citations"]))
            for reply in replies
            if reply.id in given
        }

    async def attach(
        self, conversation_id: ConversationId, collection_ids: Sequence[str], *, caller: Principal
    ) -> Conversation:
        """Have answers in a conversation looked up in these collections; none of them: no more.

        Raises CollectionNotFoundError, CollectionForbiddenError, and what the conversation's door raises.
        """
        await self._conversations.get(conversation_id, owner_id=caller.user_id)
        ids = list(dict.fromkeys(map(parse_id, collection_ids)))
        for collection_id in ids:
            await self._retrieval.get_collection(collection_id, caller=caller)
        return await self._conversations.change(conversation_id, owner_id=caller.user_id, collection_ids=ids)


def _given(reply: Message) -> Mapping[str, JsonObject]:
    """What was found and sent, by the passage's id."""
    return {found["id"]: found for found in reply.metadata["search_results"] if found["number"] is not None}


def _sources(given: Mapping[str, JsonObject], chunks: Mapping[str, Chunk], *, cited: set[int]) -> Sequence[Source]:
    sources = [
        Source(
            number=found["number"], is_cited=found["number"] in cited, score=found["score"], chunk=chunks[passage_id]
        )
        for passage_id, found in given.items()
        if passage_id in chunks
    ]
    return sorted(sources, key=lambda source: source.number)
