"""What messages are found by. Everything in these tables can be made again from messages."""

from sqlalchemy import BigInteger, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from conversation_engine.infra.db.base import Base, IdType, RowNumber, TermsType


class SearchReaderModel(Base):
    """The number of somebody who may find something."""

    __tablename__ = "search_readers"
    __table_args__ = ({"sqlite_autoincrement": True, "info": {"relearned": True}},)

    number: Mapped[int] = mapped_column(RowNumber, primary_key=True, autoincrement=True)
    owner_id: Mapped[str] = mapped_column(String(255), unique=True)


class SearchMarkModel(Base):
    """How far a conversation is in the index."""

    __tablename__ = "search_marks"
    __table_args__ = ({"info": {"relearned": True}},)

    conversation_id: Mapped[str] = mapped_column(
        IdType, ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    through: Mapped[int] = mapped_column(Integer)
    """The sequence number of the last message that is."""


class MessageTermsModel(Base):
    """The words of a message, each with its readers' numbers; on SQLite the numbers alone: FTS5 has the words."""

    __tablename__ = "message_terms"
    __table_args__ = ({"info": {"relearned": True}},)

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    """Grows with the time at which it was said."""
    message_id: Mapped[str] = mapped_column(IdType, ForeignKey("messages.id", ondelete="CASCADE"), unique=True)
    terms: Mapped[str] = mapped_column(TermsType, info={"secret": True})
    """Not in exports: the message itself is."""
