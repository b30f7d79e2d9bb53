"""Who understands questions, and who tests connections to models: calls beside turns that somebody waits for."""

from typing import Protocol

from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.llm.service import LlmService
from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import WritePath
from conversation_engine.infra.db.database import Database
from conversation_engine.turns.checks.service import ModelCheckService
from conversation_engine.turns.questions import QuestionService
from conversation_engine.turns.service import TurnService
from conversation_engine.turns.side_calls import SideCalls
from conversation_engine.turns.steps.understand import UnderstandStep


class QuestionParts(Protocol):
    """What questions are made of: an engine."""

    database: Database
    conversations: ConversationService
    turns: TurnService
    llm: LlmService


def make_questions(engine: QuestionParts, path: WritePath, *, settings: Settings) -> QuestionService:
    """Has questions understood and answered."""
    reader, calls = path.reader, path.side_calls
    return QuestionService(
        engine.database,
        conversations=engine.conversations,
        turns=engine.turns,
        calls=calls,
        understand=UnderstandStep(reader=reader, senses=path.senses, llm=engine.llm, calls=calls, settings=settings),
        topics=reader.topics,
    )


def make_checks(engine: QuestionParts, calls: SideCalls) -> ModelCheckService:
    """Tests connections to models."""
    return ModelCheckService(llm=engine.llm, calls=calls)
