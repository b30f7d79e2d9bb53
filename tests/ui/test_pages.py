"""What each page shows and does, without a browser."""

import json
import time
from typing import Any

import pytest
from streamlit import config
from streamlit.testing.v1 import AppTest

from conversation_engine.client import Patience
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.entrypoints.ui.api import Api, ApiError, Json
from conversation_engine.entrypoints.ui.look import options
from conversation_engine.entrypoints.ui.mount import SCRIPT
from conversation_engine.kernel.people import Role
from conversation_engine.testing import Fail, Say
from tests.people.files import CHATGPT
from tests.ui.conftest import House


@pytest.fixture(autouse=True, scope="module")
def look() -> None:
    """Streamlit as the server sets it up."""
    for name, value in options().items():
        config.set_option(name, value)


def shown(api: Api, page: str = "practise", **query: str) -> AppTest:
    """A page as somebody sees it."""
    test = AppTest.from_file(str(SCRIPT), default_timeout=60)
    test.session_state["api"] = api
    test.run()
    for name, value in query.items():
        test.query_params[name] = value
    if page != "practise":
        test.switch_page(f"views/{page}.py").run()
    assert not test.exception, test.exception
    return test


def words_of(test: AppTest) -> str:
    """Everything that can be read on it."""
    kinds = ("title", "subheader", "markdown", "caption", "error", "warning", "success")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def button(test: AppTest, label: str) -> Any:
    """The first one that says so."""
    return next(each for each in test.button if each.label == label)


def a_client(api: Api, **profile: Any) -> Json:
    persona: Json = api.post("/personas", {"name": "Maria", "opening_line": "Good morning.", **profile})
    api.put(f"/personas/{persona['id']}/shares", {"everyone": True})
    return persona


def a_session(house: House, teacher: Api, student: Api) -> Json:
    """With one exchange."""
    session: Json = student.post("/sessions", {"client_id": a_client(teacher)["id"]})
    house.model.then(Say("I am tired."))
    student.post(f"/conversations/{session['id']}/turns", {"content": "How are you?"})
    return session


def until_ready(api: Api, document_id: str) -> None:
    """Wait until a document can be asked."""
    give_up_at = time.monotonic() + 30
    while api.get(f"/documents/{document_id}")["status"] != "ready":
        assert time.monotonic() < give_up_at
        time.sleep(0.05)


@pytest.fixture
def tess(house: House, request: pytest.FixtureRequest) -> Api:
    return house.api_of(f"tess-{request.node.name}"[:200], Role.TEACHER)


class TestTheShell:
    def test_who_is_signed_out_is_told_where_to_sign_in(self, ada: Api) -> None:
        ada.post("/auth/logout")
        assert "Your sign-in has ended" in words_of(shown(ada))

    def test_what_the_api_refuses_is_a_sentence_and_a_way_on(self, ada: Api) -> None:
        test = shown(ada, "talk", id="01890a5d-ac96-774b-bcce-b302099a8057")
        assert (
            words_of(test)
            == "There is no such conversation. It may have been deleted: list yours to see what is there."
        )
        assert button(test, "Try again")

    def test_students_have_no_pages_of_teachers(self, ada: Api) -> None:
        with pytest.raises(ValueError, match="clients"):
            shown(ada, "clients")


class TestPractise:
    def test_a_student_without_a_client_can_talk_freely(self, ada: Api) -> None:
        test = shown(ada)
        assert "Nobody is here yet" in words_of(test) or "Maria" in words_of(test)
        assert button(test, "New conversation")

    def test_a_client_is_started_and_gone_on_with(self, ada: Api, tess: Api) -> None:
        persona = a_client(tess, name="Otto Groß", context="His first visit.")
        test = shown(ada)
        assert "Otto Groß" in words_of(test)
        assert "His first visit." in words_of(test)
        test.button(key=f"start-{persona['id']}").click().run()
        assert "Good morning." in words_of(test)
        test = shown(ada)
        assert test.button(key=f"start-{persona['id']}").label == "Go on"


class TestTalk:
    def test_what_is_said_is_answered(self, house: House, ada: Api) -> None:
        conversation = ada.post("/conversations", {})
        test = shown(ada, "talk", id=conversation["id"])
        assert "Nothing is said yet" in words_of(test)
        house.model.then(Say("**Hello** to you."))
        test.chat_input[0].set_value("Hello!").run()
        assert {"Hello!", "**Hello** to you."} <= {element.value for element in test.markdown}
        assert button(test, "Another reply")

    def test_another_reply_stands_beside_the_first(self, house: House, ada: Api) -> None:
        conversation = ada.post("/conversations", {})
        ada.post(f"/conversations/{conversation['id']}/turns", {"content": "Hello!"})
        test = shown(ada, "talk", id=conversation["id"])
        house.model.then(Say("Another one."))
        button(test, "Another reply").click().run()
        assert "Another one." in words_of(test)
        assert "2 of 2" in words_of(test)
        button(test, "Version before").click().run()
        assert "Another one." not in words_of(test)
        assert "1 of 2" in words_of(test)

    def test_a_message_is_edited(self, ada: Api) -> None:
        conversation = ada.post("/conversations", {})
        ada.post(f"/conversations/{conversation['id']}/turns", {"content": "Helo!"})
        test = shown(ada, "talk", id=conversation["id"])
        button(test, "Edit").click().run()
        test.text_area[0].set_value("Hello!").run()
        button(test, "Send").click().run()
        assert "Helo!" not in words_of(test)
        assert "Hello!" in words_of(test)

    def test_a_failure_is_told_with_a_way_on(self, house: House, ada: Api) -> None:
        conversation = ada.post("/conversations", {})
        test = shown(ada, "talk", id=conversation["id"])
        house.model.then(Fail(OverloadedError()))
        test.chat_input[0].set_value("Hello!").run()
        assert "overloaded" in words_of(test)
        house.model.then(Say("Here I am."))
        button(test, "Try again").click().run()
        assert "Here I am." in words_of(test)

    def test_what_could_not_be_sent_stays_and_is_sent_once(self, house: House, ada: Api) -> None:
        conversation = ada.post("/conversations", {})
        test = shown(ada, "talk", id=conversation["id"])
        ada._client.requests._connection._patience = Patience(tries=1)
        house.line.http.base_url = "http://127.0.0.1:9"
        test.chat_input[0].set_value("Do not lose me.").run()
        house.line.http.base_url = house.base_url
        test.run()
        assert "Do not lose me." in words_of(test)
        button(test, "Send again").click().run()
        said = [item["content"] for item in ada.get(f"/conversations/{conversation['id']}/messages")["items"]]
        assert said == ["Do not lose me.", "Do not lose me."]  # the scripted model echoes

    def test_the_end_is_summed_up_and_judged(self, house: House, ada: Api, tess: Api) -> None:
        session = a_session(house, tess, ada)
        ada.post(f"/sessions/{session['id']}/end")
        test = shown(ada, "talk", id=session["id"])
        assert "This session has ended" in words_of(test)
        assert "asked 1 question" in words_of(test)
        test.text_area(key="helped").set_value("Asking openly.")
        button(test, "Send feedback").click().run()
        [opinion] = ada.get(f"/conversations/{session['id']}/feedback")["items"]
        assert opinion["helped"] == "Asking openly."


class TestHistory:
    def test_it_lists_what_was_said_and_what_to_do_without_any(self, ada: Api) -> None:
        assert "Nothing here yet" in words_of(shown(ada, "history"))
        ada.post("/conversations", {"title": "About boats"})
        assert "About boats" in words_of(shown(ada, "history"))

    def test_a_link_is_made_shown_once_and_taken_back(self, house: House, ada: Api) -> None:
        conversation = ada.post("/conversations", {"title": "About boats"})
        ada.post(f"/conversations/{conversation['id']}/messages", {"role": "user", "content": "A boat."})
        test = shown(ada, "talk", id=conversation["id"])
        button(test, "Make a link").click().run()
        [code] = test.code
        assert house.http.get(house.base_url + code.value[code.value.index("/shared/") :]).status_code == 200
        button(test, "Take back").click().run()
        assert not test.code
        assert ada.get(f"/conversations/{conversation['id']}/shares")["items"] == []

    def test_what_was_said_is_found(self, ada: Api) -> None:
        conversation = ada.post("/conversations", {"title": "About boats"})
        ada.post(f"/conversations/{conversation['id']}/messages", {"role": "user", "content": "A *red* boat."})
        test = shown(ada, "history")
        test.text_input(key="history-search").set_value('boats "red').run()
        assert r"A \***red**\* **boat**\." in words_of(test)
        test.text_input(key="history-search").set_value("ship").run()
        assert "Nothing that you talked about says this." in words_of(test)

    def test_a_file_is_brought_in_and_what_is_wrong_with_it_told(self, ada: Api) -> None:
        test = shown(ada, "history")
        test.file_uploader[0].upload("conversations.json", json.dumps([7, *CHATGPT]).encode(), "application/json")
        button(test, "Bring in").click().run()
        assert "1 conversation added, 1 thing left out." in words_of(test)
        assert [text.value for text in test.text] == ["[0]: It is no conversation."]
        assert "**Boats**" in words_of(test)

    def test_each_and_all_can_be_taken_along(self, house: House, ada: Api, tess: Api) -> None:
        session = a_session(house, tess, ada)
        forms = ["html", "markdown", "json", "jsonl"]
        for test, name in (
            (shown(ada, "history"), "conversations"),
            (shown(ada, "talk", id=session["id"]), f"conversation-{session['id']}"),
            (shown(tess, "read", id=session["id"]), f"conversation-{session['id']}"),
        ):
            offered = [element.proto.id for element in test.get("download_button")]
            assert [id.rpartition("download-")[2] for id in offered] == [f"{name}-{form}" for form in forms]
        told = ada.download(f"/conversations/{session['id']}/export", format="markdown").decode()
        assert "I am tired." in told


class TestDocuments:
    def test_they_are_asked_and_an_answer_opens_its_source(self, house: House, ada: Api) -> None:
        assert "No documents yet" in words_of(shown(ada, "documents"))
        file = ("cellar.md", b"# Keys\n\nThe key of the cellar hangs behind the clock.", "text/markdown")
        [document] = ada.upload("/documents", [file], {})["documents"]
        until_ready(ada, document["id"])
        test = shown(ada, "documents")
        assert "cellar.md" in words_of(test)
        button(test, "Ask about them").click().run()
        [conversation] = ada.get("/conversations")["items"]
        test = shown(ada, "talk", id=conversation["id"])
        house.model.then(Say("Behind the clock [1]."))
        test.chat_input[0].set_value("Where is the key of the cellar?").run()
        assert "Behind the clock [1]." in words_of(test)
        button(test, "[1]").click().run()
        assert "**cellar.md**" in words_of(test)
        assert "hangs behind the clock" in test.info[0].value
        button(test, "Close").click().run()
        button(test, "Documents (1)").click().run()
        test.multiselect[0].set_value([])
        test.button(key="attach-save").click().run()
        assert ada.get(f"/conversations/{conversation['id']}", limit=1)["collection_ids"] == []
        test = shown(ada, "documents")
        button(test, "Remove").click().run()
        assert ada.get("/documents")["items"] == []


class TestTeaching:
    def test_a_client_is_made_with_a_preview_of_its_prompt(self, tess: Api) -> None:
        test = shown(tess, "client")
        test.text_input(key="name-new").set_value("Lena Vogt").run()
        assert "“Lena Vogt”" in words_of(test)
        test.text_area(key="goals-new").set_value("to be heard\n\n to rest ").run()
        button(test, "Save").click().run()
        [persona] = tess.get("/personas", mine=True)["items"]
        assert persona["profile"]["goals"] == ["to be heard", "to rest"]

    def test_an_edit_is_the_next_version(self, tess: Api) -> None:
        persona = a_client(tess)
        test = shown(tess, "client", id=persona["id"])
        test.text_input(key=f"name-{persona['id']}").set_value("Maria Keller").run()
        button(test, "Save").click().run()
        after = tess.get(f"/personas/{persona['id']}")
        assert (after["version"], after["profile"]["name"]) == (2, "Maria Keller")
        assert after["profile"]["opening_line"] == "Good morning."

    def test_a_client_is_given_documents_that_students_do_not_see(self, house: House, ada: Api, tess: Api) -> None:
        assert "Documents can be what they know" in words_of(shown(tess, "client"))
        home = tess.post("/collections", {"name": "Case file"})["id"]
        file = ("case.md", b"# Illness\n\nThe doctor found high blood pressure.", "text/markdown")
        [document] = tess.upload("/documents", [file], {"collection_id": home})["documents"]
        persona = a_client(tess)
        test = shown(tess, "client", id=persona["id"])
        test.multiselect[0].set_value([home]).run()
        button(test, "Save").click().run()
        assert tess.get(f"/personas/{persona['id']}")["profile"]["collection_ids"] == [home]
        until_ready(tess, document["id"])
        session = ada.post("/sessions", {"client_id": persona["id"]})
        house.model.then(Say("My blood pressure."))
        ada.post(f"/conversations/{session['id']}/turns", {"content": "What did the doctor find: blood pressure?"})
        seen = shown(ada, "talk", id=session["id"])
        assert "My blood pressure." in words_of(seen)
        assert "What they knew" not in words_of(seen)
        read = shown(tess, "read", id=session["id"])
        assert "What they knew" in words_of(read)
        button(read, "[1]").click().run()
        assert "found high blood pressure" in read.info[0].value

    def test_sessions_are_read_with_tokens_and_feedback(self, house: House, ada: Api, tess: Api) -> None:
        session = a_session(house, tess, ada)
        ada.put(f"/conversations/{session['id']}/feedback", {"rating": 4, "hindered": "I was too fast."})
        student = session["user_id"]
        assert f"**{student}** with Maria" in words_of(shown(tess, "review"))
        test = shown(tess, "read", id=session["id"])
        assert "I am tired." in words_of(test)
        assert "token" in words_of(test)
        assert "★★★★☆" in words_of(test)
        assert "I was too fast." in words_of(shown(tess, "received"))


@pytest.fixture
def root(house: House) -> Api:
    return house.api_of("root", Role.ADMIN)


class TestOperating:
    def test_what_goes_on_is_shown_with_the_speed_and_health_of_models(
        self, house: House, ada: Api, tess: Api, root: Api
    ) -> None:
        session = a_session(house, tess, ada)
        test = shown(root, "overview")
        assert session["user_id"] in words_of(test)
        assert "scripted/test" in words_of(test)
        assert "first word" in words_of(test)
        button(test, "Test").click().run()
        assert test.success or test.error

    def test_who_asks_too_often_is_told(self, house: House, root: Api) -> None:
        assert "Nobody was refused for asking too often." in words_of(shown(root, "overview"))
        hasty = house.api_of("tim", Role.TEACHER)
        for _ in range(4):
            with pytest.raises(ApiError):
                hasty.post("/conversations/01890a5d-ac96-774b-bcce-b302099a8057/turns", {"content": "Hello!"})
        assert "**tim** was refused 1 time" in words_of(shown(root, "overview"))

    def test_spending_is_told_by_day_model_and_person_and_bounded(
        self, house: House, ada: Api, tess: Api, root: Api
    ) -> None:
        session = a_session(house, tess, ada)
        test = shown(root, "spending")
        assert f"**{session['user_id']}**" in words_of(test)
        assert "By model" in words_of(test)
        test.text_input[0].set_value("ada")
        test.number_input(key="budget-dollars").set_value(2.5)
        button(test, "Set").click().run()
        [budget] = root.get("/budgets")["items"]
        assert (budget["scope"], budget["subject"], float(budget["dollars"])) == ("user", "ada", 2.5)
        assert "**user ada**, a day" in words_of(test)
        button(test, "Remove").click().run()
        assert root.get("/budgets")["items"] == []

    def test_statistics_are_everybodys_own(self, house: House, ada: Api, tess: Api) -> None:
        a_session(house, tess, ada)
        own = shown(ada, "statistics")
        assert [metric.value for metric in own.metric][:2] == ["1", "3"]
        assert "**1 person** said something" in words_of(own)
        assert "**0 failed calls**" in words_of(own)

    def test_who_was_refused_for_a_budget_is_told(self, ada: Api, root: Api) -> None:
        conversation = ada.post("/conversations", {})
        user_id = conversation["user_id"]
        budget = root.put("/budgets", {"scope": "user", "subject": user_id, "period": "day", "tokens": 1})
        with pytest.raises(ApiError):
            ada.post(f"/conversations/{conversation['id']}/turns", {"content": "Again"})
        assert f"**user {user_id}** was refused a turn" in words_of(shown(root, "spending"))
        root.delete(f"/budgets/{budget['id']}")

    def test_an_error_is_found_with_the_turn_behind_it(self, house: House, ada: Api, root: Api) -> None:
        conversation = ada.post("/conversations", {})
        house.model.then(Fail(OverloadedError("529: far too busy")))
        turn = ada.post(f"/conversations/{conversation['id']}/turns", {"content": "Hello!"})
        test = shown(root, "failures")
        test.text_input(key="failure-search").set_value("FAR TOO").run()
        assert "model_overloaded" in words_of(test)
        assert turn["id"] in words_of(test)
        test.text_input(key="failure-search").set_value("nothing like it").run()
        assert "Nothing was found." in words_of(test)

    def test_somebody_is_added_and_becomes_a_teacher(self, root: Api) -> None:
        test = shown(root, "users")
        test.text_input[0].set_value("carla")
        button(test, "Add").click().run()
        assert "/ui/enter?code=" in test.code[0].value
        [user] = root.get("/users")["items"]
        test = shown(root, "users")
        test.selectbox(key=f"role-{user['id']}").set_value("teacher").run()
        button(test, "Change role").click().run()
        assert root.get(f"/users/{user['id']}")["role"] == "teacher"
