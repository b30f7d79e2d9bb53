"""Every query about personas."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, and_, delete, exists, insert, or_, select, update

from conversation_engine.domains.personas.models import PersonaModel, PersonaShareModel, PersonaVersionModel
from conversation_engine.domains.personas.types import (
    EVERYONE,
    ClientProfile,
    Persona,
    PersonaFilter,
    PersonaStatus,
    PersonaVersion,
)
from conversation_engine.infra.db.database import Tx
from conversation_engine.kernel.ids import PersonaId, UserId
from conversation_engine.kernel.paging import Cursor

_personas = PersonaModel.__table__
_versions = PersonaVersionModel.__table__
_shares = PersonaShareModel.__table__

_COLUMNS: Final = (*_personas.c, _versions.c.version, _versions.c.profile)
_IS_NEWEST: Final = and_(_versions.c.persona_id == _personas.c.id, _versions.c.version == _personas.c.newest_version)


class PersonaRepo:
    """Rows of `personas`, `persona_versions` and `persona_shares`."""

    def insert(self, tx: Tx, persona_id: PersonaId, profile: ClientProfile, *, owner_id: UserId, at: datetime) -> None:
        """Write a new persona with its first version."""
        row = {"id": persona_id, "owner_id": owner_id, "newest_version": 1, "status": PersonaStatus.ACTIVE.value}
        tx.execute(insert(_personas), {**row, "created_at": at, "updated_at": at})
        self._insert_version(tx, persona_id, 1, profile, at=at)

    def find(self, tx: Tx, persona_id: PersonaId) -> Persona | None:
        """Whosever it is, in its newest version."""
        row = tx.execute(_newest().where(_personas.c.id == persona_id)).first()
        return None if row is None else _persona(row)

    def find_version(self, tx: Tx, persona_id: PersonaId, version: int) -> PersonaVersion | None:
        """One state of its profile."""
        query = select(*_versions.c).where(_versions.c.persona_id == persona_id, _versions.c.version == version)
        row = tx.execute(query).first()
        return None if row is None else _version(row)

    def list_versions(self, tx: Tx, persona_id: PersonaId) -> Sequence[PersonaVersion]:
        """All states of its profile, newest first."""
        query = select(*_versions.c).where(_versions.c.persona_id == persona_id)
        return [_version(row) for row in tx.execute(query.order_by(_versions.c.version.desc()))]

    def add_version(self, tx: Tx, persona: Persona, profile: ClientProfile, *, at: datetime) -> bool:
        """Write the version after `persona.newest_version`; false when somebody else did so first."""
        number = persona.newest_version + 1
        mine = (_personas.c.id == persona.id, _personas.c.newest_version == persona.newest_version)
        moved = update(_personas).where(*mine).values(newest_version=number, updated_at=at)
        if tx.execute(moved).rowcount != 1:
            return False
        self._insert_version(tx, persona.id, number, profile, at=at)
        return True

    def set_status(self, tx: Tx, persona_id: PersonaId, status: PersonaStatus, *, at: datetime) -> None:
        """Archive it or take it back."""
        tx.execute(update(_personas).where(_personas.c.id == persona_id).values(status=status.value, updated_at=at))

    def shared_with(self, tx: Tx, persona_id: PersonaId) -> Sequence[UserId]:
        """Who may read it, beside its owner."""
        query = select(_shares.c.user_id).where(_shares.c.persona_id == persona_id).order_by(_shares.c.user_id)
        return list(tx.scalars(query))

    def replace_shares(self, tx: Tx, persona_id: PersonaId, user_ids: Sequence[UserId], *, at: datetime) -> None:
        """Make these, and nobody else, those who may read it."""
        tx.execute(delete(_shares).where(_shares.c.persona_id == persona_id))
        if user_ids:
            tx.execute(
                insert(_shares),
                [{"persona_id": persona_id, "user_id": user_id, "created_at": at} for user_id in user_ids],
            )

    def is_shared_with(self, tx: Tx, persona_id: PersonaId, user_id: UserId) -> bool:
        """Whether this user may read it without owning it."""
        query = select(_shares.c.persona_id).where(
            _shares.c.persona_id == persona_id, _shares.c.user_id.in_((user_id, EVERYONE))
        )
        return tx.execute(query.limit(1)).first() is not None

    def list_of(
        self, tx: Tx, wanted: PersonaFilter, *, visible_to: UserId | None, cursor: Cursor | None, count: int
    ) -> Sequence[Persona]:
        """Newest first, from `cursor` in its direction; `visible_to` keeps what is theirs or shared with them."""
        query = _newest()
        if visible_to is not None:
            query = query.where(or_(_personas.c.owner_id == visible_to, _is_shared_with(visible_to)))
        if wanted.owner_id is not None:
            query = query.where(_personas.c.owner_id == wanted.owner_id)
        if wanted.status is not None:
            query = query.where(_personas.c.status == wanted.status.value)
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_personas.c.id > at if is_backward else _personas.c.id < at)
        query = query.order_by(_personas.c.id if is_backward else _personas.c.id.desc()).limit(count)
        return [_persona(row) for row in tx.execute(query)]

    def _insert_version(
        self, tx: Tx, persona_id: PersonaId, version: int, profile: ClientProfile, *, at: datetime
    ) -> None:
        row = {"persona_id": persona_id, "version": version, "profile": profile.as_json(), "created_at": at}
        tx.execute(insert(_versions), row)


def _newest() -> Select[Any]:
    return select(*_COLUMNS).join(_versions, _IS_NEWEST)


def _is_shared_with(user_id: UserId) -> Any:
    return exists().where(_shares.c.persona_id == _personas.c.id, _shares.c.user_id.in_((user_id, EVERYONE)))


def _persona(row: Row[Any]) -> Persona:
    return Persona(
        id=row.id,
        owner_id=row.owner_id,
        version=row.version,
        newest_version=row.newest_version,
        status=PersonaStatus(row.status),
        profile=ClientProfile.from_json(row.profile),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _version(row: Row[Any]) -> PersonaVersion:
    return PersonaVersion(version=row.version, profile=ClientProfile.from_json(row.profile), created_at=row.created_at)
