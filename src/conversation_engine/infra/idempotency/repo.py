"""Every query of idempotency keys."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.idempotency.models import IdempotencyKeyModel
from conversation_engine.kernel.once import KeptAnswer, Once

_keys = IdempotencyKeyModel.__table__


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedKey:
    """A key that took effect."""

    fingerprint: str
    result_id: str
    created_at: datetime
    answer: KeptAnswer | None


class IdempotencyRepo:
    """Rows of `idempotency_keys`."""

    def insert(self, tx: Tx, once: Once, *, owner_id: str, result_id: str, at: datetime) -> None:
        """Write a key. Raises ConstraintViolation when its owner has used it; waits for one who is using it now."""
        tx.execute(
            insert(_keys),
            {
                "owner_id": owner_id,
                "key": once.key,
                "fingerprint": once.fingerprint,
                "result_id": result_id,
                "created_at": at,
            },
        )

    def find(self, tx: Tx, once: Once, *, owner_id: str) -> UsedKey | None:
        """The owner's use of this key, whatever it was for."""
        row = tx.execute(select(*_keys.c).where(_keys.c.owner_id == owner_id, _keys.c.key == once.key)).first()
        if row is None:
            return None
        answer = None if row.answer is None else KeptAnswer(**row.answer)
        return UsedKey(fingerprint=row.fingerprint, result_id=row.result_id, created_at=row.created_at, answer=answer)

    def keep_answer(self, tx: Tx, once: Once, answer: KeptAnswer, *, owner_id: str) -> None:
        """Write down what was answered; without effect where the key is gone."""
        tx.execute(
            update(_keys).where(_keys.c.owner_id == owner_id, _keys.c.key == once.key).values(answer=asdict(answer))
        )

    def delete(self, tx: Tx, once: Once, *, owner_id: str) -> None:
        """Forget one key."""
        tx.execute(delete(_keys).where(_keys.c.owner_id == owner_id, _keys.c.key == once.key))

    def delete_older(self, tx: Tx, *, than: datetime) -> int:
        """Forget old keys; how many."""
        return tx.execute(delete(_keys).where(_keys.c.created_at < than)).rowcount
