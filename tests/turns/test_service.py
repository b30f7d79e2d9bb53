"""Turns as a caller sees them: said, streamed, followed, cancelled, stopped."""

import asyncio
import time
from collections.abc import AsyncGenerator

import pytest

from conversation_engine.domains.conversations.errors import (
    ConversationForbiddenError,
    ConversationNotActiveError,
    ConversationNotFoundError,
)
from conversation_engine.domains.conversations.types import ConversationStatus, MessageRole, MessageStatus
from conversation_engine.domains.llm.errors import OverloadedError, UnknownModelError
from conversation_engine.domains.llm.types import (
    AttemptStatus,
    ModelEvent,
    ModelRequest,
    Sampling,
    TokenUsage,
    UsageSource,
)
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId
from conversation_engine.testing import Fail, Pause, Say, ScriptedModel
from conversation_engine.turns.errors import ShuttingDownError, TurnInProgressError, TurnNotFoundError
from conversation_engine.turns.types import NewTurn, TurnState
from tests.conftest import OpenEngine, until
from tests.turns.scenes import (
    ADA,
    ToldModel,
    Watcher,
    answered,
    ask,
    begin,
    checkpointed,
    collect,
    count,
    messages_of,
    rows,
)

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"
AWKWARD = ["Zoë", "\r", "\n", "e\u0301", "👩\u200d", "👩\u200d👧", " ", "\u2028", "𝄞", "\r\n\r\n", "\ufeff", "end\n"]
"""Chunks that fall between CR and LF, between a letter and its accent, inside a ZWJ sequence; astral; separators."""


class LookingModel(ScriptedModel):
    """Looks into the store through another engine at the moment it is called."""

    def __init__(self, other: ConversationEngine, conversation_id: ConversationId) -> None:
        super().__init__()
        self._other = other
        self._conversation_id = conversation_id
        self.stored: list[str] = []

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        self.stored = [str(message.content) for message in await messages_of(self._other, self._conversation_id)]
        async for event in super().stream(request):
            yield event


class TestSubmit:
    async def test_the_message_is_committed_before_the_model_is_called(self, open_engine: OpenEngine) -> None:
        other = await open_engine()
        conversation = await begin(other)
        model = LookingModel(other, conversation.id)
        engine = await open_engine(model)
        await answered(engine, await ask(engine, conversation.id, "Are you there?"))
        assert model.stored == ["Are you there?"]

    async def test_a_turn_is_two_messages_one_call_and_their_sums(self, open_engine: OpenEngine) -> None:
        usage = TokenUsage(input_tokens=11, cached_tokens=3, output_tokens=9, cache_write_tokens=4, reasoning_tokens=2)
        engine = await open_engine(ScriptedModel([Say("Hel"), Say("lo")], usage=usage))
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id, "hi", message_metadata={"a": [1]}, reply_metadata={"b": 2})
        detail = await answered(engine, turn)
        said, reply = await messages_of(engine, conversation.id)
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        [attempt] = detail.attempts
        assert detail.turn.state is TurnState.COMPLETED
        assert detail.turn.finished_at is not None
        assert (said.role, said.content, said.sequence_number, said.turn_id) == (MessageRole.USER, "hi", 1, turn.id)
        assert said.id == turn.user_message_id
        assert said.metadata == {"a": [1]}
        assert reply == detail.reply
        assert (reply.role, reply.content, reply.sequence_number) == (MessageRole.ASSISTANT, "Hello", 2)
        assert (reply.id, reply.parent_id, reply.llm_request_id) == (turn.reply_message_id, said.id, attempt.id)
        assert (reply.status, reply.token_count) == (MessageStatus.COMPLETE, 7)
        assert reply.metadata == {"b": 2, "provider": "scripted", "model": "test"}
        assert (attempt.status, attempt.finish_reason, attempt.usage) == (AttemptStatus.COMPLETED, "stop", usage)
        assert attempt.first_token_ms is not None
        assert 0 <= attempt.first_token_ms <= attempt.latency_ms
        assert (after.message_count, after.last_sequence) == (2, 2)
        assert (after.input_tokens, after.output_tokens) == (11, 9)
        assert await engine.turns.get(conversation.id, turn.id, owner_id=ADA) == detail

    async def test_without_reported_usage_the_reply_has_no_count_and_the_totals_an_estimate(
        self, open_engine: OpenEngine
    ) -> None:
        engine = await open_engine(ScriptedModel([Say("one two three")]))
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id))
        [usage] = [attempt.usage for attempt in detail.attempts]
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert detail.reply is not None
        assert detail.reply.token_count is None
        assert usage is not None
        assert usage.source is UsageSource.ESTIMATED
        assert (after.input_tokens, after.output_tokens) == (usage.input_tokens, usage.output_tokens)
        assert usage.output_tokens >= 3

    async def test_json_content_is_kept_as_json_and_shown_as_its_text(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        content = {"parts": [{"type": "text", "text": "Zoë \n"}], "n": 1.5}
        await answered(engine, await ask(engine, conversation.id, content))
        said, _ = await messages_of(engine, conversation.id)
        assert said.content == content
        assert '"Zoë \\n"' in model.requests[0].messages[-1].content

    async def test_without_content_what_is_there_is_answered(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("first")], [Say("again")])
        engine = await open_engine(model)
        conversation = await begin(engine)
        await answered(engine, await ask(engine, conversation.id, "hi"))
        turn = await ask(engine, conversation.id, None)
        detail = await answered(engine, turn)
        assert [message.content for message in model.requests[1].messages] == ["hi", "first"]
        _, first, again = await messages_of(engine, conversation.id)
        assert turn.user_message_id == again.parent_id == first.id
        assert detail.reply == again

    async def test_without_content_in_an_empty_conversation_the_turn_fails(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        detail = await answered(engine, await ask(engine, conversation.id, None))
        assert detail.turn.state is TurnState.FAILED
        assert detail.turn.error is not None
        assert detail.turn.error.code == "nothing_to_answer"
        assert (detail.reply, detail.attempts) == (None, ())

    @pytest.mark.parametrize("prompt", [None, "", "Speak like a pirate."])
    async def test_a_system_prompt_holds_for_one_turn(self, open_engine: OpenEngine, prompt: str | None) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        conversation = await begin(engine, system_prompt="Be brief.")
        await answered(engine, await ask(engine, conversation.id, system_prompt=prompt))
        shown = [message.content for message in model.requests[0].messages if message.role == "system"]
        assert shown == [line for line in ["Be brief." if prompt is None else prompt] if line]

    async def test_sampling_reaches_the_model_and_the_record(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        sampling = Sampling(temperature=0.5, top_p=0.25, reply_limit_tokens=9, stop=("x", "y"), seed=4)
        detail = await answered(engine, await ask(engine, conversation.id, sampling=sampling))
        assert model.requests[0].sampling == sampling
        assert detail.attempts[0].parameters == sampling.as_json()

    async def test_the_manifest_tells_what_was_shown(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        assert await engine.turns.manifest(conversation.id, turn.id, owner_id=ADA) is None
        model.finish()
        await answered(engine, turn)
        manifest = await engine.turns.manifest(conversation.id, turn.id, owner_id=ADA)
        assert manifest is not None
        assert manifest["sent"]["count"] == 1

    async def test_a_preview_shows_what_the_model_would_be_shown_and_writes_nothing(
        self, open_engine: OpenEngine
    ) -> None:
        model = ScriptedModel()
        engine = await open_engine(model)
        conversation = await begin(engine, system_prompt="Be brief.")
        await answered(engine, await ask(engine, conversation.id, "hi"))
        window = await engine.turns.preview(conversation.id, owner_id=ADA)
        assert [message.text for message in window.messages] == ["Be brief.", "hi", "hi"]
        assert len(model.requests) == await count(engine, "turns") == 1


class TestRefusal:
    """What is refused leaves nothing behind."""

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"content": " \n"}, InvalidInputError),
            ({"content": {}}, InvalidInputError),
            ({"content": []}, InvalidInputError),
            ({"content": "nul \x00"}, InvalidInputError),
            ({"content": "half \ud83d"}, InvalidInputError),
            ({"content": "x" * 200_001}, InvalidInputError),
            ({"content": {"deep": "nul \x00"}}, InvalidInputError),
            ({"content": {"x": float("nan")}}, InvalidInputError),
            ({"content": {"x": object()}}, InvalidInputError),
            ({"content": "hi", "message_metadata": {"x": "\x00"}}, InvalidInputError),
            ({"content": "hi", "reply_metadata": {"x": "\ud800"}}, InvalidInputError),
            ({"content": "hi", "system_prompt": "\x00"}, InvalidInputError),
            ({"content": "hi", "model": "nobody/here"}, UnknownModelError),
            ({"content": "hi", "model": "scripted"}, UnknownModelError),
            ({"content": "hi", "model": "scripted/\x00"}, InvalidInputError),
            ({"content": "hi", "model": "scripted/\ud800"}, InvalidInputError),
            ({"content": "hi", "model": "scripted/" + "x" * 300}, InvalidInputError),
            ({"content": "hi", "sampling": Sampling(stop=("\x00",))}, InvalidInputError),
            ({"content": "hi", "sampling": Sampling(stop=("\ud800",))}, InvalidInputError),
            ({"content": "hi", "sampling": Sampling(temperature=float("nan"))}, InvalidInputError),
            ({"content": "hi", "owner_id": UserId("eve")}, ConversationForbiddenError),
            ({"content": "hi", "conversation_id": ConversationId(UNKNOWN)}, ConversationNotFoundError),
            ({"content": None, "owner_id": UserId("eve")}, ConversationForbiddenError),
            ({"content": None, "conversation_id": ConversationId(UNKNOWN)}, ConversationNotFoundError),
        ],
    )
    async def test_of_bad_input(
        self, open_engine: OpenEngine, fields: dict[str, object], error: type[Exception]
    ) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        with pytest.raises(error):
            await engine.turns.submit(NewTurn(**{"conversation_id": conversation.id, "owner_id": ADA, **fields}))
        assert await engine.conversations.get(conversation.id, owner_id=ADA) == conversation
        assert [await count(engine, table) for table in ("messages", "turns")] == [0, 0]

    @pytest.mark.parametrize("content", ["hi", None])
    async def test_of_a_conversation_that_has_ended(self, open_engine: OpenEngine, content: str | None) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await engine.conversations.end(conversation.id, owner_id=ADA)
        with pytest.raises(ConversationNotActiveError):
            await ask(engine, conversation.id, content)
        assert [await count(engine, table) for table in ("messages", "turns")] == [0, 0]

    async def test_of_a_second_turn_names_the_running_one(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine, other = await open_engine(model), await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        for somewhere in (engine, other):
            with pytest.raises(TurnInProgressError) as refused:
                await ask(somewhere, conversation.id, "and another thing")
            assert refused.value.facts["turn_id"] == turn.id
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert (after.message_count, after.last_sequence, await count(engine, "turns")) == (1, 1, 1)
        model.finish()
        await answered(engine, turn)

    async def test_of_everything_once_the_process_is_stopping(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        await engine.turns.aclose()
        with pytest.raises(ShuttingDownError):
            await ask(engine, conversation.id)
        assert await count(engine, "turns") == 0

    async def test_of_a_turn_that_is_not_there(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation, elsewhere = await begin(engine), await begin(engine)
        turn = await ask(engine, elsewhere.id)
        await answered(engine, turn)
        for verb in (engine.turns.get, engine.turns.manifest, engine.turns.cancel):
            for turn_id in (TurnId(UNKNOWN), turn.id):
                with pytest.raises(TurnNotFoundError):
                    await verb(conversation.id, turn_id, owner_id=ADA)
            with pytest.raises(ConversationForbiddenError):
                await verb(elsewhere.id, turn.id, owner_id=UserId("eve"))


class TestStream:
    async def test_the_text_is_what_is_stored_and_an_offset_the_length_so_far(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model, checkpoint_interval_seconds=0)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        watcher, said = Watcher(engine, turn), ""
        for piece in AWKWARD:  # one at a time, so that every boundary is also one between deltas
            model.say(piece)
            said += piece
            await watcher.has_seen(said)
        model.finish()
        ended = await watcher.end()
        stored = (await messages_of(engine, conversation.id))[-1]
        lengths = [len("".join(AWKWARD[: number + 1])) for number in range(len(AWKWARD))]
        assert watcher.offsets == lengths
        assert stored.content == watcher.text == "".join(AWKWARD)
        assert ended.offset == len(watcher.text)

    async def test_it_is_the_same_from_every_offset_during_and_after(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine, other = await open_engine(model), await open_engine()
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        half = "".join(AWKWARD[:6])
        model.say(half)
        first = Watcher(engine, turn)
        await first.has_seen(half)
        during = [Watcher(engine, turn, after=offset) for offset in range(len(half) + 1)]
        elsewhere = [Watcher(other, turn, after=offset) for offset in range(len(half) + 1)]
        for offset, watcher in enumerate(during + elsewhere):
            await watcher.has_seen(half[offset % (len(half) + 1) :])
        model.say(*AWKWARD[6:])
        model.finish()
        full = "".join(AWKWARD)
        for offset, watcher in enumerate(during + elsewhere):
            ended = await watcher.end()
            assert watcher.text == full[offset % (len(half) + 1) :]
            assert (watcher.offsets[-1], ended.offset) == (len(full), len(full))
        for somewhere in (engine, other):
            for offset in range(len(full) + 1):
                deltas, ended = await collect(somewhere, turn, after=offset)
                assert "".join(delta.text for delta in deltas) == full[offset:]
                assert ended.offset == len(full)

    async def test_what_was_seen_is_in_the_store_before_it_is_seen(self, open_engine: OpenEngine) -> None:
        words = [f"word{number} " for number in range(30)]
        engine = await open_engine(ScriptedModel([line for word in words for line in (Say(word), Pause(0.003))]))
        other = await open_engine()
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        seen, looks = "", 0
        async for event in engine.turns.follow(turn):
            seen += getattr(event, "text", "")
            durable = await checkpointed(other) or str((await messages_of(other, conversation.id))[-1].content)
            looks += 1
            assert not seen or durable.startswith(seen)
        assert seen == "".join(words)
        assert looks > 4

    async def test_a_watcher_who_leaves_changes_nothing(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        watchers = [Watcher(engine, turn) for _ in range(3)]
        model.say("a")
        for watcher in watchers:
            await watcher.has_seen("a")
        await watchers[0].leave()
        model.say("b")
        model.finish()
        assert {(await watcher.end()).detail.turn.state for watcher in watchers[1:]} == {TurnState.COMPLETED}
        assert [watcher.text for watcher in watchers] == ["a", "ab", "ab"]
        assert model.closed == 0

    async def test_nobody_has_to_watch(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("alone")]))
        other = await open_engine()
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        detail = await answered(other, turn)
        assert detail.reply is not None
        assert detail.reply.content == "alone"

    async def test_a_silence_is_filled_with_signs_of_life(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Pause(0.4), Say("done")]), heartbeat_seconds=0.05)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        events = [type(event).__name__ async for event in engine.turns.follow(turn)]
        assert events[0] == "TurnStarted"
        assert events.count("Heartbeat") >= 3
        assert [event for event in events if event != "Heartbeat"] == ["TurnStarted", "ReplyDelta", "TurnEnded"]


class TestConcurrency:
    async def test_of_twenty_submits_to_one_conversation_one_is_accepted(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engines = [await open_engine(model) for _ in range(2)]
        conversation = await begin(engines[0])
        outcomes = await asyncio.gather(
            *(ask(engines[number % 2], conversation.id, f"{number}") for number in range(20)), return_exceptions=True
        )
        [turn] = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        refused = [outcome for outcome in outcomes if isinstance(outcome, TurnInProgressError)]
        assert [error.facts["turn_id"] for error in refused] == [turn.id] * 19
        model.finish()
        await answered(engines[0], turn)
        assert [message.sequence_number for message in await messages_of(engines[0], conversation.id)] == [1]
        await until(lambda: model.calls == 1)

    async def test_many_conversations_at_once_are_gap_free_and_add_up(self, open_engine: OpenEngine) -> None:
        usage = TokenUsage(input_tokens=3, cached_tokens=1, output_tokens=2)
        engines = [await open_engine(ScriptedModel(usage=usage)) for _ in range(2)]
        conversations = [await begin(engines[0]) for _ in range(8)]

        async def talk(number: int) -> None:
            for word in ("one", "two", "three", "four", "five"):
                engine = engines[number % 2]
                await answered(engine, await ask(engine, conversations[number].id, word))

        await asyncio.gather(*(talk(number) for number in range(8)))
        calls = await rows(
            engines[0],
            "SELECT conversation_id, sum(input_tokens) AS i, sum(output_tokens) AS o FROM llm_requests GROUP BY 1",
        )
        assert sorted((int(call["i"]), int(call["o"])) for call in calls) == [(15, 10)] * 8
        for conversation in conversations:
            after = await engines[0].conversations.get(conversation.id, owner_id=ADA)
            numbers = [message.sequence_number for message in await messages_of(engines[0], conversation.id)]
            assert numbers == list(range(1, 11))
            assert (after.message_count, after.input_tokens, after.output_tokens) == (10, 15, 10)
        assert await count(engines[0], "reply_checkpoints") == 0

    async def test_a_caller_who_gives_up_while_being_let_in_changes_nothing(self, open_engine: OpenEngine) -> None:
        """A turn is either not there at all, or it is answered."""
        engine = await open_engine(ScriptedModel())
        for number in range(8):
            conversation = await begin(engine)
            submitting = asyncio.create_task(ask(engine, conversation.id))
            await asyncio.sleep(number * 0.001)
            submitting.cancel()
            await asyncio.gather(submitting, return_exceptions=True)
        await engine.turns.aclose()  # lets those that were being let in come to their end
        assert await rows(engine, "SELECT id FROM turns WHERE state = 'running'") == []
        assert await count(engine, "messages") == 2 * await count(engine, "turns")


class TestCancel:
    async def test_it_keeps_the_beginning_and_closes_the_upstream(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("Once upon "), Say("a time"), Pause(60)])
        engine = await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        watcher = Watcher(engine, turn)
        await watcher.has_seen("Once upon a time")
        detail = await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA)
        [attempt] = detail.attempts
        assert detail.turn.state is TurnState.CANCELLED
        assert detail.turn.error is None
        assert detail.reply is not None
        assert (detail.reply.content, detail.reply.status) == ("Once upon a time", MessageStatus.PARTIAL)
        assert (attempt.status, attempt.finish_reason) == (AttemptStatus.CANCELLED, None)
        assert attempt.usage is not None
        assert attempt.usage.source is UsageSource.ESTIMATED
        assert model.closed == 1
        assert (await watcher.end()).detail == detail
        assert await count(engine, "reply_checkpoints") == 0

    async def test_it_is_idempotent(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("a"), Pause(60)]))
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await Watcher(engine, turn).has_seen("a")
        cancels = [engine.turns.cancel(conversation.id, turn.id, owner_id=ADA) for _ in range(5)]
        first, *others = await asyncio.gather(*cancels)
        assert others == [first] * 4
        assert await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA) == first
        assert [message.content for message in await messages_of(engine, conversation.id)] == ["hi", "a"]

    async def test_a_finished_turn_stays_as_it_is(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel())
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        detail = await answered(engine, turn)
        assert await engine.turns.cancel(conversation.id, turn.id, owner_id=ADA) == detail

    async def test_at_any_moment_it_ends_the_turn_and_frees_the_conversation(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ToldModel())
        for steps in range(25):  # as many turns of the event loop pass before it
            conversation = await begin(engine)
            turn = await ask(engine, conversation.id)
            run = engine.turns._runner._runs[
                turn.id
            ]  # the service's own verb reads the store first, which takes many steps
            for _ in range(steps):
                await asyncio.sleep(0)
            run.stop(TurnState.CANCELLED)
            assert (await answered(engine, turn)).turn.state is TurnState.CANCELLED

    async def test_also_just_before_the_model_is_called(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ToldModel())
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        run = engine.turns._runner._runs[turn.id]
        while run.generation is None:  # its task exists from now on, but has not taken its first step
            await asyncio.sleep(0)
        run.stop(TurnState.CANCELLED)
        assert (await answered(engine, turn)).turn.state is TurnState.CANCELLED


class TestClose:
    async def test_a_turn_that_ends_within_the_grace_time_completes(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel([Say("almost "), Pause(0.3), Say("done")]), grace_seconds=5)
        other = await open_engine()
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await engine.turns.aclose()
        detail = await answered(other, turn)
        assert detail.turn.state is TurnState.COMPLETED
        assert detail.reply is not None
        assert detail.reply.content == "almost done"

    async def test_a_longer_one_is_interrupted_with_what_it_said(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("not yet"), Pause(60)])
        engine, other = await open_engine(model, grace_seconds=0.2), await open_engine()
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        watcher = Watcher(engine, turn)
        await watcher.has_seen("not yet")
        started = time.monotonic()
        await engine.turns.aclose()
        took = time.monotonic() - started
        detail = await answered(other, turn)
        assert took < 0.2 + 1.0
        assert detail.turn.state is TurnState.INTERRUPTED
        assert detail.reply is not None
        assert (detail.reply.content, detail.reply.status) == ("not yet", MessageStatus.PARTIAL)
        assert model.closed == 1
        assert (await watcher.end()).detail == detail

    async def test_a_turn_that_is_being_let_in_is_ended_too(self, open_engine: OpenEngine) -> None:
        engine, other = await open_engine(ScriptedModel([Pause(60)]), grace_seconds=0.0), await open_engine()
        conversation = await begin(engine)
        submitting = asyncio.create_task(ask(engine, conversation.id))
        await asyncio.sleep(0)
        await engine.turns.aclose()
        await asyncio.gather(submitting, return_exceptions=True)
        assert await rows(other, "SELECT id FROM turns WHERE state = 'running'") == []


class TestConversationMeanwhile:
    async def test_ended_the_reply_is_still_kept(self, open_engine: OpenEngine) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        await engine.conversations.end(conversation.id, owner_id=ADA)
        model.say("bye")
        model.finish()
        detail = await answered(engine, turn)
        after = await engine.conversations.get(conversation.id, owner_id=ADA)
        assert detail.turn.state is TurnState.COMPLETED
        assert (after.status, after.message_count) == (ConversationStatus.COMPLETED, 2)

    @pytest.mark.parametrize("said", ["", "some words"])
    async def test_deleted_its_turn_goes_with_it_and_watchers_are_told(
        self, open_engine: OpenEngine, said: str
    ) -> None:
        model = ToldModel()
        engine = await open_engine(model)
        conversation = await begin(engine)
        turn = await ask(engine, conversation.id)
        watcher = Watcher(engine, turn)
        model.say(*[said] if said else [])
        await watcher.has_seen(said)
        await engine.conversations.delete(conversation.id, owner_id=ADA)
        model.say(" more")
        model.finish()
        with pytest.raises(ConversationNotFoundError):
            await watcher.end()
        for table in ("conversations", "messages", "turns", "reply_checkpoints"):
            assert await count(engine, table) == 0
        await until(lambda: engine.turns._runner.find(turn.id) is None)
        kept = await rows(engine, "SELECT * FROM llm_requests")
        assert [call["usage_source"] for call in kept] == ["estimated"]
        assert all(call["error_cause"] is None and call["parameters"] in ("{}", {}) for call in kept)

    async def test_what_it_cost_stays_when_it_is_deleted_and_nothing_of_what_was_asked(
        self, open_engine: OpenEngine
    ) -> None:
        engine = await open_engine(ScriptedModel([Fail(OverloadedError("they said: secret"))], [Say("fine")]))
        conversation = await begin(engine)
        for _ in range(2):
            turn = await ask(engine, conversation.id, sampling=Sampling(stop=("secret",)))
            await answered(engine, turn)
        await engine.conversations.delete(conversation.id, owner_id=ADA)
        kept = await rows(engine, "SELECT * FROM llm_requests ORDER BY id")
        assert [(call["status"], call["owner_id"]) for call in kept] == [("failed", "ada"), ("completed", "ada")]
        assert "secret" not in str(kept)

    async def test_deleted_it_does_not_hold_up_the_replies_of_others(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel(
            [Say("x"), Pause(0.1), *[line for _ in range(60) for line in (Say("x"), Pause(0.02))]],
            [Say("one "), Pause(0.4), Say("two"), Pause(60)],
        )
        engine = await open_engine(model)
        doomed, healthy = await begin(engine), await begin(engine)
        first = await ask(engine, doomed.id)
        await Watcher(engine, first).has_seen("x")
        watcher = Watcher(engine, await ask(engine, healthy.id))
        await watcher.has_seen("one ")
        await engine.conversations.delete(doomed.id, owner_id=ADA)
        async with asyncio.timeout(0.8):
            await watcher.has_seen("one two")
        await watcher.leave()
