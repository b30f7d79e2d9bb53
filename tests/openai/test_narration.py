"""A reply with calls that is begun anew, as Responses stream it: pure, from a log to events."""

import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from conversation_engine.domains.conversations.types import Message, MessageRole, MessageStatus
from conversation_engine.domains.llm.tools import FunctionTool, Toolbox
from conversation_engine.domains.llm.transcript import content_in, opening
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.entrypoints.openai.narration import STRIDE, Narration
from conversation_engine.kernel.ids import ConversationId, MessageId, TurnId, UserId
from conversation_engine.kernel.windows import NO_OPTIONS
from conversation_engine.turns.telling import told
from conversation_engine.turns.types import (
    ReplyDelta,
    Turn,
    TurnDetail,
    TurnEnded,
    TurnEvent,
    TurnRestarted,
    TurnStarted,
    TurnState,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FIRST = Turn(
    id=TurnId("01890a5d-ac96-774b-bcce-b302099a8057"),
    conversation_id=ConversationId("01890a5d-ac96-774b-bcce-b302099a8058"),
    owner_id=UserId("ada"),
    role=None,
    state=TurnState.RUNNING,
    attempt=1,
    model="m",
    system_prompt=None,
    sampling=Sampling(tools=Toolbox(functions=(FunctionTool(name="f"),))),
    window=NO_OPTIONS,
    reply_metadata={},
    retrieval=None,
    user_message_id=None,
    reply_message_id=MessageId("01890a5d-ac96-774b-bcce-b302099a8059"),
    error=None,
    created_at=NOW,
    finished_at=None,
)
AGAIN = replace(FIRST, attempt=2)
VOID = "Well." + opening("c1", "f") + '{"cut":'
SAID = opening("c2", "f") + "{}"


def ended(turn: Turn, transcript: str) -> TurnEnded:
    turn = replace(turn, state=TurnState.COMPLETED, finished_at=NOW)
    reply = Message(
        id=turn.reply_message_id,
        conversation_id=turn.conversation_id,
        turn_id=turn.id,
        parent_id=None,
        llm_request_id=None,
        sequence_number=2,
        role=MessageRole.ASSISTANT,
        content=content_in(transcript),
        status=MessageStatus.COMPLETE,
        token_count=None,
        cost=None,
        metadata={},
        created_at=NOW,
    )
    return TurnEnded(detail=TurnDetail(turn=turn, reply=reply, attempts=()), offset=len(transcript))


async def logged(*events: TurnEvent) -> AsyncGenerator[TurnEvent, None]:
    for event in events:
        yield event


async def narrated(turn: Turn, events: Sequence[TurnEvent], *, starting_after: int | None) -> list[dict[str, Any]]:
    narration = Narration(turn, starting_after=starting_after, is_stored=True)
    sent = b"".join([narration.frames(event) async for event in told(logged(*events))])
    return [json.loads(line[6:]) for line in sent.decode().split("\n") if line.startswith("data: {")]


class TestReplyThatIsBegunAnew:
    async def test_what_came_before_is_void_and_numbers_only_grow(self) -> None:
        log = [
            TurnStarted(turn=FIRST, offset=0),
            ReplyDelta(offset=len(VOID), text=VOID),
            TurnRestarted(turn=AGAIN),
            ReplyDelta(offset=len(SAID), text=SAID),
            ended(AGAIN, SAID),
        ]
        whole = await narrated(FIRST, log, starting_after=None)
        numbers = [event["sequence_number"] for event in whole]
        assert numbers == sorted(set(numbers))
        begun = [place for place, event in enumerate(whole) if event["type"] == "response.created"]
        assert len(begun) == 2
        anew = whole[begun[1] :]
        assert all(event["sequence_number"] >= STRIDE for event in anew)
        assert [event["type"].removeprefix("response.") for event in anew] == [
            "created",
            "in_progress",
            "output_item.added",
            "function_call_arguments.delta",
            "function_call_arguments.done",
            "output_item.done",
            "completed",
        ]
        assert anew[2]["output_index"] == 0
        [item] = anew[-1]["response"]["output"]
        assert (item["call_id"], item["arguments"], item["status"]) == ("c2", "{}", "completed")
        for number in (0, numbers[len(numbers) // 2], STRIDE, numbers[-2]):
            later = [TurnStarted(turn=AGAIN, offset=0), ReplyDelta(offset=len(SAID), text=SAID), ended(AGAIN, SAID)]
            rest = await narrated(AGAIN, later, starting_after=number)
            expected = [event for event in anew if event["sequence_number"] > number]
            assert [event["sequence_number"] for event in rest] == [event["sequence_number"] for event in expected]
