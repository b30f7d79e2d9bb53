"""Conversations from files: what goes in, what is told, and that it goes in once."""

import io
import json
from collections.abc import Sequence
from typing import Any

from conversation_engine.domains.conversations.arrivals.service import BATCH
from conversation_engine.domains.conversations.types import (
    Conversation,
    ConversationFilter,
    ConversationStatus,
    Message,
    MessageRole,
    NewMessage,
)
from conversation_engine.domains.feedback.types import Opinion
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import MessageId, UserId
from conversation_engine.people.moves.types import Report
from conversation_engine.people.moves.words import ExportForm
from conversation_engine.testing import ScriptedModel
from tests.conftest import OpenEngine
from tests.people.files import CHATGPT, CLAUDE, LIBRECHAT, NOON, chatgpt_node
from tests.people.scenes import ADA, BOB, TESS, client_of
from tests.people.test_exports import USAGE, ask, begun, on_sqlite, say, text_of

OWN_FIELDS = {"exported_at", "user_id", "id", "parent_id", "active_leaf_id", "author_id", "message_id"}


async def bring_in(engine: ConversationEngine, file: Any, *, owner_id: UserId = ADA.user_id) -> Report:
    """`file` as JSON, or as the bytes that it is."""
    data = file if isinstance(file, bytes) else json.dumps(file).encode()
    return await engine.imports.bring_in(owner_id, io.BytesIO(data))


async def talks_of(engine: ConversationEngine, owner_id: UserId = ADA.user_id) -> Sequence[Conversation]:
    return (await engine.conversations.list_of(owner_id, ConversationFilter())).items


async def said_in(engine: ConversationEngine, talk: Conversation) -> Sequence[Message]:
    return (await engine.conversations.list_messages(talk.id, owner_id=talk.owner_id, limit=200)).items


async def path_of(engine: ConversationEngine, talk: Conversation) -> list[Any]:
    page = await engine.conversations.path(talk.id, owner_id=talk.owner_id)
    return [message.content for message in page.items]


async def everything_of(engine: ConversationEngine, owner_id: UserId) -> dict[str, Any]:
    file: dict[str, Any] = json.loads(await text_of(engine.exports.of_owner(owner_id, ExportForm.JSON)))
    return file


def without_ids(value: Any) -> Any:
    """The same, ids and owners left out, parents as places."""
    if isinstance(value, list):
        return [without_ids(one) for one in value]
    if not isinstance(value, dict):
        return value
    if "messages" in value:
        places = {one["id"]: one["sequence_number"] for one in value["messages"]}
        messages = [{**one, "parent": places.get(one["parent_id"])} for one in value["messages"]]
        value = {**value, "messages": messages, "leaf": places.get(value["active_leaf_id"])}
    return {name: without_ids(inner) for name, inner in value.items() if name not in OWN_FIELDS}


async def a_rich_talk(engine: ConversationEngine) -> Conversation:
    """With branches, JSON, a pin, a model call, opinions and an end."""
    talk = await begun(engine, title="Boats", system_prompt="Be brief.", metadata={"course": "sea"}, type="lesson")
    question = await say(engine, talk, "user", "Why do boats float?", metadata={"from": "phone"})
    await say(engine, talk, "assistant", {"because": ["water"]})
    await say(engine, talk, "assistant", "Density.", parent_id=question)
    reply = await ask(engine, talk)
    await engine.pins.pin(talk.id, question, owner_id=ADA.user_id)
    await engine.feedback.give(ADA, talk.id, reply, Opinion(rating=4, helped="The picture.", tags=("clear",)))
    return await engine.conversations.end(talk.id, owner_id=ADA.user_id)


class TestOwnFiles:
    async def test_what_was_deleted_comes_back_as_it_was(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE))
        talk = await a_rich_talk(engine)
        before = await everything_of(engine, ADA.user_id)
        await engine.conversations.delete(talk.id, owner_id=ADA.user_id)
        report = await bring_in(engine, before)
        assert (report.conversations_added, report.messages_added, report.problems) == (1, 5, [])
        after = await everything_of(engine, ADA.user_id)
        assert {**after, "exported_at": ""} == {**before, "exported_at": ""}

    async def test_somebody_else_gets_a_copy_that_differs_in_its_ids_alone(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE))
        await a_rich_talk(engine)
        mine = await everything_of(engine, ADA.user_id)
        await bring_in(engine, mine, owner_id=BOB.user_id)
        theirs = await everything_of(engine, BOB.user_id)
        assert without_ids(theirs) == without_ids(mine)
        assert theirs["conversations"][0]["messages"][0]["id"] != mine["conversations"][0]["messages"][0]["id"]

    async def test_what_is_there_stays_and_the_same_file_adds_nothing(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE))
        await a_rich_talk(engine)
        mine = await everything_of(engine, ADA.user_id)
        for owner_id in (ADA.user_id, BOB.user_id, BOB.user_id):
            report = await bring_in(engine, mine, owner_id=owner_id)
        assert (report.conversations_added, report.conversations_known, report.messages_added) == (0, 1, 0)
        assert report.opinions_added == 0
        assert len(await talks_of(engine)) == len(await talks_of(engine, BOB.user_id)) == 1

    async def test_nobody_puts_words_into_a_session_or_into_others_mouths(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        await engine.feedback.give(TESS, session.id, None, Opinion(helped="You listened."))
        file = await everything_of(engine, ADA.user_id)
        forged = {**file["conversations"][0]["messages"][0], "id": new_id(), "sequence_number": 9, "content": "Forged."}
        file["conversations"][0]["messages"].append(forged)
        assert (await bring_in(engine, file)).messages_added == 0
        report = await bring_in(engine, file, owner_id=BOB.user_id)
        assert (report.messages_added, report.opinions_added) == (2, 0)
        [copy] = await talks_of(engine, BOB.user_id)
        assert (copy.persona_id, copy.supervisor_id) == (None, None)

    @on_sqlite
    async def test_a_newer_version_is_not_guessed_at(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        report = await bring_in(engine, {"format": "conversation-engine", "version": 2, "conversations": [{}]})
        assert [problem.position for problem in report.problems] == ["version"]

    async def test_long_ones_go_in_by_the_batch(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk = await begun(engine)
        for number in range(3):
            await say(engine, talk, "user", f"{number}")
        file = await everything_of(engine, ADA.user_id)
        [entry] = file["conversations"]
        last = entry["messages"][-1]
        for number in range(4, BATCH + 10):
            last = {**last, "id": new_id(), "parent_id": last["id"], "sequence_number": number, "content": f"{number}"}
            entry["messages"].append(last)
        entry["active_leaf_id"] = last["id"]
        report = await bring_in(engine, file)
        assert (report.conversations_extended, report.messages_added) == (1, BATCH + 6)
        now = await engine.conversations.get(talk.id, owner_id=ADA.user_id)
        assert (now.message_count, now.is_branched, now.active_leaf_id) == (BATCH + 9, False, last["id"])


class TestChatGpt:
    async def test_the_tree_is_kept_and_the_path_is_the_one_that_was_open(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        report = await bring_in(engine, CHATGPT)
        assert (report.conversations_added, report.messages_added, report.problems) == (1, 6, [])
        [talk] = await talks_of(engine)
        assert (talk.title, talk.created_at, talk.is_branched) == ("Boats", NOON, True)
        assert await path_of(engine, talk) == ["Why do boats float?", "search(boats)", "A page.", "Density."]
        said = {message.content: message for message in await said_in(engine, talk)}
        assert said["Look at this:"].parent_id == said["[Attachment: file-service://abc]"].parent_id is None
        notes = {content: message.metadata.get("imported", {}) for content, message in said.items()}
        assert notes["A page."] == {"role": "tool", "tool": "browser", "kind": "tether_browsing_display"}
        assert said["A page."].role is MessageRole.ASSISTANT
        assert notes["search(boats)"]["to"] == "browser"
        assert notes["Density."]["model"] == "gpt-4"
        assert [file["bytes"] for file in notes["Look at this:"]["attachments"]] == [7]
        assert (report.tool_messages, report.attachments) == (2, 2)

    async def test_a_newer_file_adds_what_was_said_since(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        await bring_in(engine, CHATGPT)
        newer = json.loads(json.dumps(CHATGPT))
        newer[0]["mapping"]["next"] = chatgpt_node("next", "answer", "user", "And iron?", at=90)
        newer[0]["current_node"] = "next"
        report = await bring_in(engine, newer)
        assert (report.conversations_extended, report.messages_added) == (1, 1)
        [talk] = await talks_of(engine)
        assert (await path_of(engine, talk))[-2:] == ["Density.", "And iron?"]

    @on_sqlite
    async def test_where_people_went_on_here_the_path_stays_theirs(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        await bring_in(engine, CHATGPT)
        [talk] = await talks_of(engine)
        new = NewMessage(id=MessageId(new_id()), role=MessageRole.USER, content="Said here.")
        await engine.conversations.add_message(talk.id, new, owner_id=ADA.user_id)
        newer = json.loads(json.dumps(CHATGPT))
        newer[0]["mapping"]["next"] = chatgpt_node("next", "answer", "user", "And iron?", at=90)
        assert (await bring_in(engine, newer)).messages_added == 1
        assert (await path_of(engine, talk))[-1] == "Said here."

    @on_sqlite
    async def test_what_is_malformed_is_told_by_position_and_the_rest_goes_in(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        broken = json.loads(json.dumps(CHATGPT[0]))
        broken["conversation_id"] = "another"
        broken["mapping"]["search"]["message"]["author"] = {"role": "wizard"}
        broken["mapping"]["lost"] = chatgpt_node("lost", "nowhere", "user", "Hello?")
        broken["mapping"]["ring"] = chatgpt_node("ring", "ring", "user", "Round.")
        report = await bring_in(engine, [7, CHATGPT[0], {"mapping": []}, {"what": 1}, broken])
        assert {problem.position: problem.is_lost for problem in report.problems} == {
            "[0]": True,
            "[2]": True,
            "[3]": True,
            "[4].mapping[search]": True,
            "[4].mapping[lost]": False,
            "[4].mapping[ring]": False,
        }
        assert (report.conversations_added, report.lost_count) == (2, 4)
        said = {one.content: one for one in [m for talk in await talks_of(engine) for m in await said_in(engine, talk)]}
        assert {"Hello?", "Round.", "A page."} <= set(said)

    @on_sqlite
    async def test_a_file_that_breaks_off_gives_what_came_before(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        whole = json.dumps([CHATGPT[0], {**CHATGPT[0], "conversation_id": "cut"}])
        report = await bring_in(engine, b"\xef\xbb\xbf" + whole[:-20].encode())
        assert report.conversations_added == 1
        [problem] = report.problems
        assert "after [0]" in problem.sentence

    @on_sqlite
    async def test_what_is_larger_than_may_be_is_left_out_alone(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(import_limit_characters=40_000)
        large = {**CHATGPT[0], "conversation_id": "large", "title": "x" * 50_000}
        report = await bring_in(engine, [large, CHATGPT[0]])
        assert (report.conversations_added, [problem.position for problem in report.problems]) == (1, ["[0]"])


class TestClaude:
    @on_sqlite
    async def test_messages_their_attachments_and_tools(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        report = await bring_in(engine, CLAUDE)
        assert [problem.position for problem in report.problems] == ["[1].chat_messages[1]"]
        assert (report.conversations_added, report.attachments, report.tool_messages) == (2, 1, 1)
        linear, tree = sorted(await talks_of(engine), key=lambda talk: talk.title or "", reverse=True)
        assert await path_of(engine, linear) == ["Read this.", "It is short.\n\nVery."]
        assert [one.role for one in await said_in(engine, linear)] == [MessageRole.USER, MessageRole.ASSISTANT]
        [asked, *_] = await said_in(engine, linear)
        assert asked.metadata["imported"]["attachments"] == [{"name": "notes.txt", "kind": "txt", "bytes": 12}]
        assert await path_of(engine, tree) == ["One", "Two"]
        assert [one.content for one in await said_in(engine, tree)] == ["One", "Two", "Three"]
        assert (await bring_in(engine, CLAUDE)).messages_added == 0


class TestLibreChat:
    @on_sqlite
    async def test_children_are_kept_under_their_parents(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        report = await bring_in(engine, LIBRECHAT)
        assert (report.conversations_added, report.messages_added, report.tool_messages) == (1, 4, 1)
        assert [problem.position for problem in report.problems] == ["messages[0].children[2]"]
        [talk] = await talks_of(engine)
        assert (talk.title, talk.system_prompt) == ("Ports", "Be kind.")
        assert await path_of(engine, talk) == ["Which port?", "Any [Tool: map]", "Thanks"]

    async def test_a_deep_talk_does_not_overflow(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        depth = 3000
        deep = "".join(
            f'{{"messageId":"{number}","isCreatedByUser":true,"text":"{number}","children":[' for number in range(depth)
        )
        file = f'{{"conversationId":"deep","messages":[{deep}{"]}" * depth}]}}'.encode()
        report = await bring_in(engine, file)
        assert (report.messages_added, report.problems) == (depth, [])
        [talk] = await talks_of(engine)
        assert (talk.message_count, talk.is_branched) == (depth, False)


class TestStatus:
    @on_sqlite
    async def test_what_was_archived_is(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        await bring_in(engine, [{**CHATGPT[0], "is_archived": True}])
        assert [talk.status for talk in await talks_of(engine)] == [ConversationStatus.ARCHIVED]
