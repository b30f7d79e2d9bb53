"""Naming conversations that people have not named. Joins the caller's transaction, who has checked the owner."""

from conversation_engine.domains.conversations.repo import ConversationRepo
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId


class TitleService:
    """The door to titles of our own making."""

    def __init__(self) -> None:
        self._conversations = ConversationRepo()

    def name_if_unnamed(self, tx: Tx, conversation_id: ConversationId, title: str) -> None:
        """Give it `title`, unless it has one by then, whoever gave it. One statement, which decides by itself."""
        self._conversations.name_if_unnamed(tx, conversation_id, title)
