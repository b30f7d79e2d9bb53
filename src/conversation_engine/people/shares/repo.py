"""Every query about links."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select

from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import ConversationId
from conversation_engine.people.shares.models import ShareModel
from conversation_engine.people.shares.types import Share, ShareMode

_shares = ShareModel.__table__


class ShareRepo:
    """Rows of `conversation_shares`."""

    def insert(self, tx: Tx, share: Share, *, secret_hash: str) -> None:
        """Write a link."""
        tx.execute(
            insert(_shares),
            {
                "id": share.id,
                "owner_id": share.owner_id,
                "conversation_id": share.conversation_id,
                "secret_hash": secret_hash,
                "mode": share.mode.value,
                "leaf_id": share.leaf_id,
                "has_names": share.has_names,
                "name": share.name,
                "created_at": share.created_at,
                "expires_at": share.expires_at,
            },
        )

    def find(self, tx: Tx, secret_hash: str, *, now: datetime) -> Share | None:
        """The link with this secret, unless it has expired."""
        row = tx.execute(select(*_shares.c).where(_shares.c.secret_hash == secret_hash, _shares.c.expires_at > now))
        found = row.first()
        return None if found is None else _share(found)

    def list_of(self, tx: Tx, conversation_id: ConversationId, *, now: datetime) -> Sequence[Share]:
        """Links to a conversation that lead there now, newest first."""
        query = select(*_shares.c).where(_shares.c.conversation_id == conversation_id, _shares.c.expires_at > now)
        return [_share(row) for row in tx.execute(query.order_by(_shares.c.id.desc()))]

    def delete(self, tx: Tx, conversation_id: ConversationId, share_id: str) -> bool:
        """Remove one; whether it was there."""
        here = (_shares.c.conversation_id == conversation_id, _shares.c.id == share_id)
        return tx.execute(delete(_shares).where(*here)).rowcount == 1

    def delete_expired(self, tx: Tx, conversation_id: ConversationId, *, now: datetime) -> None:
        """Remove those that lead nowhere any more."""
        tx.execute(delete(_shares).where(_shares.c.conversation_id == conversation_id, _shares.c.expires_at <= now))


def _share(row: Row[Any]) -> Share:
    return Share(
        id=row.id,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        mode=ShareMode(row.mode),
        leaf_id=row.leaf_id,
        has_names=row.has_names,
        name=row.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )
