"""Conversations as files: everything as JSON, what was said in three other forms."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.domains.conversations.types import Conversation, MessageRole, NewConversation, NewMessage
from conversation_engine.domains.feedback.types import Opinion, Verdict
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.domains.llm.types import TokenUsage
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.ids import ConversationId, MessageId
from conversation_engine.kernel.people import Principal, RoleForbiddenError
from conversation_engine.people.moves.schemas import ConversationFile
from conversation_engine.people.moves.service import PAGE
from conversation_engine.people.moves.types import Export
from conversation_engine.people.moves.words import ExportForm
from conversation_engine.testing import ScriptedModel
from conversation_engine.testing.scripted import Fail, Say
from conversation_engine.turns.types import NewTurn
from tests.conftest import OpenEngine
from tests.people.scenes import ADA, BOB, ROOT, TESS, client_of

USAGE = TokenUsage(input_tokens=70, cached_tokens=0, output_tokens=3)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what does not depend on the database."""
EVIL = '</p><script>alert("x")</script><img src=x onerror=alert(1)> & "quotes"'


async def text_of(export: Export) -> str:
    return b"".join([piece async for piece in export.pieces]).decode()


async def exported(
    engine: ConversationEngine, conversation: Conversation, form: ExportForm, *, by: Principal = ADA
) -> str:
    return await text_of(await engine.exports.of_conversation(by, conversation.id, form))


async def entry_of(engine: ConversationEngine, conversation: Conversation) -> dict[str, Any]:
    [entry] = json.loads(await exported(engine, conversation, ExportForm.JSON))["conversations"]
    assert isinstance(entry, dict)
    return entry


async def begun(engine: ConversationEngine, **fields: Any) -> Conversation:
    return await engine.conversations.create(NewConversation(owner_id=ADA.user_id, **fields))


async def say(
    engine: ConversationEngine, conversation: Conversation, role: str, content: Any, **fields: Any
) -> MessageId:
    new = NewMessage(id=MessageId(new_id()), role=MessageRole(role), content=content, **fields)
    return (await engine.conversations.add_message(conversation.id, new, owner_id=ADA.user_id)).id


async def ask(engine: ConversationEngine, conversation: Conversation) -> MessageId:
    turn = await engine.turns.submit(
        NewTurn(conversation_id=conversation.id, owner_id=ADA.user_id, content="and then?")
    )
    await engine.turns.wait(turn)
    return turn.reply_message_id


async def said_with(engine: ConversationEngine, conversation: Conversation, answer: str, opinion: Opinion) -> MessageId:
    """A question, its answer, and what Ada thinks of that."""
    await say(engine, conversation, "user", "And?")
    said = await say(engine, conversation, "assistant", answer)
    await engine.feedback.give(ADA, conversation.id, said, opinion)
    return said


class TestJson:
    async def test_it_has_the_tree_the_calls_and_the_feedback(self, open_engine: OpenEngine) -> None:
        model = ScriptedModel([Say("That is all.")], [Fail(OverloadedError())], usage=USAGE)
        engine = await open_engine(model)
        talk = await begun(engine, title="Boats", system_prompt="Be brief.", metadata={"course": "sea"})
        question = await say(engine, talk, "user", "Why do boats float?", metadata={"from": "phone"})
        answer = await say(engine, talk, "assistant", {"because": "water"})
        other = await say(engine, talk, "assistant", "Density.", parent_id=question)
        reply = await ask(engine, talk)
        await ask(engine, talk)
        await engine.feedback.give(ADA, talk.id, reply, Opinion(rating=4, tags=("clear",)))
        entry = await entry_of(engine, talk)
        now = await engine.conversations.get(talk.id, owner_id=ADA.user_id)
        assert (entry["id"], entry["title"], entry["system_prompt"], entry["metadata"]) == (
            talk.id,
            "Boats",
            "Be brief.",
            {"course": "sea"},
        )
        assert entry["active_leaf_id"] == now.active_leaf_id
        said = {one["id"]: one for one in entry["messages"]}
        assert [one["sequence_number"] for one in entry["messages"]] == list(range(1, now.message_count + 1))
        assert [said[one]["parent_id"] for one in (question, answer, other)] == [None, question, question]
        assert said[answer]["content"] == {"because": "water"}
        assert said[question]["metadata"] == {"from": "phone"}
        call = said[reply]["model_call"]
        assert (call["provider"], call["model"], call["status"]) == ("scripted", "test", "completed")
        assert (call["input_tokens"], call["output_tokens"], said[reply]["token_count"]) == (70, 3, 3)
        assert "failed" in {call["status"] for call in entry["other_model_calls"]}
        assert call["id"] not in {call["id"] for call in entry["other_model_calls"]}
        [opinion] = entry["feedback"]
        assert (opinion["author_id"], opinion["message_id"], opinion["rating"]) == (ADA.user_id, reply, 4)

    @on_sqlite
    async def test_it_is_what_the_schema_says(self, open_engine: OpenEngine) -> None:
        engine = await open_engine(ScriptedModel(usage=USAGE))
        talk = await begun(engine)
        await ask(engine, talk)
        written = await exported(engine, talk, ExportForm.JSON)
        file = ConversationFile.model_validate_json(written)
        assert json.loads(file.model_dump_json()) == json.loads(written)

    async def test_long_ones_are_read_page_by_page(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk = await begun(engine)
        numbers = range(2 * PAGE + 1)
        for number in numbers:
            await say(engine, talk, "user", f"{number}".zfill(1000))
        assert [int(one["content"]) for one in (await entry_of(engine, talk))["messages"]] == [*numbers]
        pieces = (await engine.exports.of_conversation(ADA, talk.id, ExportForm.JSON)).pieces
        beginning = await anext(pieces)
        await engine.conversations.delete(talk.id, owner_id=ADA.user_id)
        [entry] = json.loads(beginning + b"".join([piece async for piece in pieces]))["conversations"]
        assert [int(one["content"]) for one in entry["messages"]] == [*range(PAGE)]  # nothing more was in memory

    @on_sqlite
    async def test_a_clients_instructions_are_not_told(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        for form in ExportForm:
            assert "A nurse." not in await exported(engine, session, form)
        assert "A nurse." in str(session.system_prompt)


class TestJsonLines:
    async def test_a_line_is_the_active_path_up_to_the_last_reply(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk = await begun(engine, system_prompt="Be brief.")
        question = await say(engine, talk, "user", "Why?")
        await say(engine, talk, "assistant", "The other branch.")
        await say(engine, talk, "assistant", "Density.\nMostly.", parent_id=question)
        await say(engine, talk, "user", "Nobody answers this.")
        [line] = (await exported(engine, talk, ExportForm.JSONL)).splitlines()
        assert json.loads(line) == {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Why?"},
                {"role": "assistant", "content": "Density.\nMostly."},
            ]
        }

    @on_sqlite
    async def test_a_conversation_without_a_reply_has_no_line(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        silent, talk = await begun(engine), await begun(engine)
        await say(engine, silent, "user", "Is anybody there?")
        await say(engine, talk, "assistant", "Good morning.")
        lines = (await text_of(engine.exports.of_owner(ADA.user_id, ExportForm.JSONL))).splitlines()
        assert [json.loads(line)["messages"][0]["content"] for line in lines] == ["Good morning."]

    async def test_nothing_is_learnt_from_what_somebody_found_bad(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk, hopeless = await begun(engine), await begun(engine)
        await said_with(engine, talk, "Good.", Opinion(verdict=Verdict.UP, rating=1))
        await said_with(engine, talk, "Bad.", Opinion(verdict=Verdict.DOWN, helped="Nothing."))
        await said_with(engine, talk, "Fair.", Opinion(rating=3))
        await said_with(engine, talk, "Poor.", Opinion(rating=2))
        await said_with(engine, hopeless, "Worse.", Opinion(verdict=Verdict.DOWN))
        await engine.feedback.give(ADA, talk.id, None, Opinion(verdict=Verdict.DOWN))
        [line] = (await text_of(engine.exports.of_owner(ADA.user_id, ExportForm.JSONL))).splitlines()
        said = [one for one in json.loads(line)["messages"] if one["role"] == "assistant"]
        assert [(one["content"], one.get("weight")) for one in said] == [("Good.", None), ("Bad.", 0), ("Fair.", None)]


@on_sqlite
class TestMarkdown:
    async def test_it_says_who_said_what_and_when(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk = await begun(engine, title="Boats\n# and more")
        await say(engine, talk, "user", "Show me:\n```\nan open block")
        answer = await say(engine, talk, "assistant", {"because": "water"})
        at = (await engine.conversations.get_message(talk.id, answer, owner_id=ADA.user_id)).created_at
        text = await exported(engine, talk, ExportForm.MARKDOWN)
        assert text.startswith("# Boats # and more\n")
        assert "an open block\n```\n\n## Assistant" in text
        assert f'## Assistant · {at:%Y-%m-%d %H:%M:%S} UTC\n\n```json\n{{\n  "because": "water"\n}}\n```' in text

    async def test_it_says_what_is_thought_of_it_beside_it(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk = await begun(engine)
        opinion = Opinion(verdict=Verdict.UP, rating=4, helped="Short.\n# Not a heading", tags=("clear", "kind"))
        await said_with(engine, talk, "Water.", opinion)
        await say(engine, talk, "user", "Thanks.")
        await engine.feedback.give(ADA, talk.id, None, Opinion(hindered="Too dry."))
        text = await exported(engine, talk, ExportForm.MARKDOWN)
        first = f"> Feedback by {ADA.user_id} · thumb up · 4 of 5 · tagged clear, kind  \n> Helped: Short.  \n"
        assert f"\nWater.\n\n{first}> # Not a heading  \n\n## User" in text
        assert text.endswith(f"Thanks.\n\n> Feedback by {ADA.user_id}  \n> Did not help: Too dry.  \n")


class PageReader(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


@on_sqlite
class TestHtml:
    async def test_what_people_said_is_text_and_nothing_is_asked_for(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        talk = await begun(engine, title=EVIL)
        await say(engine, talk, "user", EVIL)
        await say(engine, talk, "assistant", {"evil": EVIL})
        await said_with(engine, talk, "Sorry.", Opinion(hindered=EVIL, tags=(EVIL[:40],)))
        await engine.feedback.give(ADA, talk.id, None, Opinion(helped=EVIL))
        page = await exported(engine, talk, ExportForm.HTML)
        read = PageReader(page)
        assert read.text.count('<script>alert("x")</script>') == 5
        assert ("Did not help: </p>" in read.text, "Helped: </p>" in read.text) == (True, True)
        assert not read.tags & {"script", "img", "link", "iframe", "a", "object", "base", "form"}
        assert not {name for name in read.attributes if name.startswith("on")} | read.attributes & {"src", "href"}
        assert "default-src 'none'" in page
        assert not [word for word in ("url(", "@import", "http://", "https://") if word in page]


class TestWhoMay:
    async def test_the_owner_alone_and_a_teacher_through_the_review(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        session = await engine.sessions.start_conversation(ADA, (await client_of(engine)).id)
        plain = await begun(engine)
        for caller in (BOB, TESS, ROOT):
            with pytest.raises(ConversationForbiddenError):
                await engine.exports.of_conversation(caller, session.id, ExportForm.JSON)
        with pytest.raises(ConversationNotFoundError):
            await engine.exports.of_conversation(ADA, ConversationId(new_id()), ExportForm.JSON)
        with pytest.raises(RoleForbiddenError):
            await engine.exports.of_reviewed(ADA, session.id, ExportForm.JSON)
        with pytest.raises(ConversationForbiddenError):
            await engine.exports.of_reviewed(TESS, plain.id, ExportForm.JSON)
        export = await engine.exports.of_reviewed(TESS, session.id, ExportForm.HTML)
        assert "Good morning." in await text_of(export)
        [look] = (await engine.audit.list_of(ROOT, AuditFilter(action="conversation.exported"))).items
        assert (look.deed.actor_id, look.deed.subject_id) == ("tess", ADA.user_id)

    async def test_everything_is_ones_own(self, open_engine: OpenEngine) -> None:
        engine = await open_engine()
        mine = [(await begun(engine)).id for _ in range(3)]
        await engine.conversations.create(NewConversation(owner_id=BOB.user_id))
        file = json.loads(await text_of(engine.exports.of_owner(ADA.user_id, ExportForm.JSON)))
        assert [entry["id"] for entry in file["conversations"]] == mine[::-1]
