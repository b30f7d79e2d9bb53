"""From a request of the dialect to a turn: where it is said, and after what."""

from dataclasses import dataclass

from conversation_engine.domains.conversations.documents import as_text
from conversation_engine.domains.conversations.types import MessageRole, NewConversation, NewMessage
from conversation_engine.entrypoints.openai.errors import BadFieldError, PreviousResponseNotFoundError
from conversation_engine.entrypoints.openai.ids import conversation_id_of, turn_id_of
from conversation_engine.entrypoints.openai.items import all_said
from conversation_engine.entrypoints.openai.response_schemas import AskIn
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.kernel.people import Principal
from conversation_engine.turns.answers.service import AnswerService
from conversation_engine.turns.errors import TurnInProgressError, TurnNotFoundError
from conversation_engine.turns.state import is_final
from conversation_engine.turns.types import NewTurn

CONVERSATION_TYPE = "response"
"""Of a conversation that nobody made: it goes with its last response."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is said."""

    conversation_id: ConversationId
    parent_id: MessageId | None = None
    is_new: bool = False


async def place_of(body: AskIn, *, caller: Principal, answers: AnswerService) -> Place:
    """The conversation that is named, that of the previous response, or a new one.

    Raises InvalidIdError, PreviousResponseNotFoundError, ConversationForbiddenError, TurnInProgressError.
    """
    if (named := body.conversation_named) is not None:
        return Place(conversation_id=conversation_id_of(named))
    if body.previous_response_id is None:
        return Place(conversation_id=ConversationId(new_id()), is_new=True)
    try:
        previous = await answers.get(turn_id_of(body.previous_response_id), owner_id=caller.user_id)
    except TurnNotFoundError as error:
        raise PreviousResponseNotFoundError(body.previous_response_id) from error
    if not is_final(previous.turn.state):
        raise TurnInProgressError(previous.turn.id)
    last_id = previous.turn.user_message_id if previous.reply is None else previous.reply.id
    return Place(conversation_id=previous.turn.conversation_id, parent_id=last_id)


def turn_of(body: AskIn, place: Place, *, caller: Principal) -> NewTurn:
    """What is said there. Raises UnsupportedFieldError or BadFieldError."""
    said = all_said(body.input, place="input")
    if not said and place.is_new:
        raise BadFieldError("input", "There is nothing to answer. Send `input`, or name a conversation.")
    is_last_a_question = bool(said) and said[-1].role is MessageRole.USER
    question, preceding = (said[-1], said[:-1]) if is_last_a_question else (None, said)
    return NewTurn(
        conversation_id=place.conversation_id,
        owner_id=caller.user_id,
        role=caller.role,
        content=None if question is None else question.content,
        preceding=preceding,
        starts=NewConversation(owner_id=caller.user_id, type=CONVERSATION_TYPE) if place.is_new else None,
        parent_id=place.parent_id,
        model=body.model,
        system_prompt=body.instructions,
        window=body.window(),
    )


def text_said(turn: NewTurn) -> str | None:
    """All that is said with a turn, as one text, to be counted; `None`: nothing."""
    said: list[NewMessage] = list(turn.preceding)
    texts = [as_text(one.content) for one in said] + ([] if turn.content is None else [as_text(turn.content)])
    return "\n".join(texts) or None
