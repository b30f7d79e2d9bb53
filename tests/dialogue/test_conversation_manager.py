"""The facade for code that does not await. Its first test is the example of the document that asked for it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conversation_engine import ConversationManager, Settings
from conversation_engine.domains.conversations.errors import ConversationForbiddenError, ConversationNotFoundError
from conversation_engine.kernel.errors import InvalidInputError


@pytest.fixture
def snowflake_conn(tmp_path: Path) -> Settings:
    """Where conversations are kept; the document's name for it."""
    return Settings(data_dir=tmp_path, jobs_at_once=0)


@pytest.fixture
def manager(snowflake_conn: Settings) -> Iterator[ConversationManager]:
    with ConversationManager(snowflake_conn) as manager:
        yield manager


def test_conversation_flow(snowflake_conn: Settings) -> None:
    manager = ConversationManager(snowflake_conn)

    # Create session
    session_id = manager.create_session()

    # User asks initial query
    manager.add_message(session_id, "user", "What was click rate last month?")
    manager.add_message(session_id, "assistant", {"click_rate": 2.5})

    # User asks follow-up
    follow_up = manager.analyze_follow_up(session_id, "How does that compare to ES market?")

    assert follow_up["is_follow_up"] == True  # noqa: E712 - as the document writes it
    assert len(follow_up["context_messages"]) > 0


class TestConversationManager:
    def test_what_is_said_survives_the_manager(self, snowflake_conn: Settings) -> None:
        with ConversationManager(snowflake_conn) as first:
            session_id = first.create_session()
            first.add_message(session_id, "user", "Remember the milk.", {"channel": "phone"})
        with ConversationManager(snowflake_conn) as second:
            [message] = second.get_context(session_id)
        assert (message.role, message.content, message.metadata) == ("user", "Remember the milk.", {"channel": "phone"})

    def test_the_context_is_the_newest_messages_in_order(self, manager: ConversationManager) -> None:
        session_id = manager.create_session()
        for number in range(7):
            manager.add_message(session_id, "user", f"number {number}")
        assert [message.content for message in manager.get_context(session_id)] == [f"number {n}" for n in range(2, 7)]
        assert [message.content for message in manager.get_context(session_id, 2)] == ["number 5", "number 6"]

    def test_a_follow_up_says_what_it_leans_on(self, manager: ConversationManager) -> None:
        session_id = manager.create_session()
        manager.add_message(session_id, "user", "What is a shield volcano?")
        manager.add_message(session_id, "assistant", {"answer": "A broad volcano built by runny lava."})
        found = manager.analyze_follow_up(session_id, "Where are they found?")
        assert found["is_follow_up"]
        assert found["leans_on"] in (1, 2)
        assert "volcano" in found["standalone"]
        assert "volcano" in found["previous_topic"]
        assert [message["content"] for message in found["context_messages"]] == [
            "What is a shield volcano?",
            {"answer": "A broad volcano built by runny lava."},
        ]

    def test_the_first_question_is_no_follow_up(self, manager: ConversationManager) -> None:
        found = manager.analyze_follow_up(manager.create_session(), "How does that compare?")
        assert not found["is_follow_up"]
        assert found["previous_topic"] is None
        assert found["context_messages"] == []

    def test_analysing_writes_nothing(self, manager: ConversationManager) -> None:
        session_id = manager.create_session()
        manager.add_message(session_id, "user", "What is bebop?")
        manager.analyze_follow_up(session_id, "Who invented it?")
        assert len(manager.get_context(session_id)) == 1

    def test_unknown_sessions_and_other_peoples_are_refused(self, snowflake_conn: Settings) -> None:
        with ConversationManager(snowflake_conn) as mine, ConversationManager(snowflake_conn, user_id="bob") as bobs:
            session_id = mine.create_session()
            with pytest.raises(ConversationForbiddenError):
                bobs.get_context(session_id)
            with pytest.raises(ConversationForbiddenError):
                bobs.analyze_follow_up(session_id, "And then?")
            with pytest.raises(ConversationNotFoundError):
                mine.get_context("019a0000-0000-7000-8000-000000000000")

    @pytest.mark.parametrize("window", [0, -1])
    def test_a_window_has_at_least_one_message(self, manager: ConversationManager, window: int) -> None:
        with pytest.raises(InvalidInputError):
            manager.get_context(manager.create_session(), window)

    def test_an_unknown_role_is_refused(self, manager: ConversationManager) -> None:
        with pytest.raises(InvalidInputError):
            manager.add_message(manager.create_session(), "robot", "beep")

    def test_it_serves_several_threads(self, manager: ConversationManager) -> None:
        session_id = manager.create_session()
        threads = [threading.Thread(target=manager.add_message, args=(session_id, "user", f"{n}")) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(str(message.content) for message in manager.get_context(session_id, 20)) == list("01234567")

    def test_closing_twice_is_fine_and_ends_the_thread(self, snowflake_conn: Settings) -> None:
        manager = ConversationManager(snowflake_conn)
        manager.close()
        manager.close()
        assert not [thread for thread in threading.enumerate() if thread.name == "conversation-manager"]

    def test_a_store_that_cannot_be_opened_leaves_no_thread_behind(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not a folder")
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the file system says
            ConversationManager(Settings(data_dir=tmp_path / "file"))
        assert not [thread for thread in threading.enumerate() if thread.name == "conversation-manager"]
