"""What one can do with personas."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from conversation_engine.domains.personas.checks import checked_profile
from conversation_engine.domains.personas.errors import (
    PersonaArchivedError,
    PersonaChangedError,
    PersonaForbiddenError,
    PersonaNotFoundError,
)
from conversation_engine.domains.personas.ports import CollectionShelf
from conversation_engine.domains.personas.prompts.library import PromptLibrary
from conversation_engine.domains.personas.prompts.system_prompt import generate_system_prompt
from conversation_engine.domains.personas.repo import PersonaRepo
from conversation_engine.domains.personas.types import (
    EVERYONE,
    ClientProfile,
    Persona,
    PersonaFilter,
    PersonaStatus,
    PersonaVersion,
)
from conversation_engine.infra.audit.service import AuditLog
from conversation_engine.infra.audit.types import Deed
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.idempotency.ledger import IdempotencyLedger
from conversation_engine.infra.ids import new_id
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import USER_ID_LIMIT_CHARACTERS, PersonaId, UserId, parse_id
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.paging import Cursor, Page, make_page
from conversation_engine.kernel.people import Principal, Role, require_role
from conversation_engine.kernel.text import checked_text

MOST_SHARES = 1000
TEACHERS = (Role.TEACHER, Role.ADMIN)


class PersonaService:
    """The door to personas. Teachers own them, and read what was shared with them; admins read and change all.

    Students meet them as cards (`open_to`). All raise PersonaNotFoundError for an unknown one, PersonaForbiddenError
    for one that is not the caller's, RoleForbiddenError for students.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        ledger: IdempotencyLedger,
        library: PromptLibrary,
        audit: AuditLog,
        shelf: CollectionShelf,
    ) -> None:
        self._database = database
        self._clock = clock
        self._ledger = ledger
        self._repo = PersonaRepo()
        self._audit = audit
        self._shelf = shelf
        self.library = library

    async def create(self, caller: Principal, profile: ClientProfile, *, once: Once | None = None) -> Persona:
        """A new client with its first version. One short transaction."""
        require_role(caller, *TEACHERS)
        checked = checked_profile(profile)
        persona_id = PersonaId(new_id())

        def work(tx: Tx) -> Persona:
            self._repo.insert(tx, persona_id, checked, owner_id=caller.user_id, at=self._clock.now())
            self._shelf.lend(tx, persona_id, checked.collection_ids, version=1, lender_id=caller.user_id)
            return self._changeable(tx, caller, persona_id)

        return await self._ledger.write(
            once,
            work,
            owner_id=caller.user_id,
            result_id=persona_id,
            replay=lambda tx, known: self._changeable(tx, caller, PersonaId(known)),
        )

    async def get(self, caller: Principal, persona_id: PersonaId, *, version: int | None = None) -> Persona:
        """One client, all of it, in one of its versions (`None`: the newest)."""
        require_role(caller, *TEACHERS)

        def work(tx: Tx) -> Persona:
            persona = self._visible(tx, caller, persona_id)
            return persona if version is None else self._in_version(tx, persona, version)

        found = await self._database.read(work)
        await self._note_look(caller, found)
        return found

    async def list_of(
        self, caller: Principal, wanted: PersonaFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Page[Persona]:
        """The caller's clients and those shared with them, newest first; for admins everybody's."""
        require_role(caller, *TEACHERS)
        seer = None if caller.role is Role.ADMIN else caller.user_id
        return await self._page(wanted, visible_to=seer, cursor=cursor, limit=limit)

    async def versions(self, caller: Principal, persona_id: PersonaId) -> Sequence[PersonaVersion]:
        """Every version of its profile, newest first."""
        require_role(caller, *TEACHERS)

        def work(tx: Tx) -> tuple[Persona, Sequence[PersonaVersion]]:
            persona = self._visible(tx, caller, persona_id)
            versions = self._repo.list_versions(tx, persona.id)
            known = self._shelf.lent(tx, [(persona.id, version.version) for version in versions])
            return persona, [
                replace(version, profile=_knowing(version.profile, known.get((persona.id, version.version), ())))
                for version in versions
            ]

        persona, versions = await self._database.read(work)
        await self._note_look(caller, persona)
        return versions

    async def edit(
        self, caller: Principal, persona_id: PersonaId, profile: ClientProfile, *, based_on: int | None = None
    ) -> Persona:
        """Save a new version; sessions that run keep theirs. What changes nothing makes no version.

        Raises PersonaChangedError when the newest version is not `based_on`.
        """
        require_role(caller, *TEACHERS)
        checked = checked_profile(profile)

        def work(tx: Tx) -> Persona:
            persona = self._changeable(tx, caller, persona_id)
            is_stale = based_on is not None and based_on != persona.newest_version
            if is_stale:
                raise PersonaChangedError(persona_id, version=persona.newest_version)
            if checked == persona.profile:
                return persona
            if not self._repo.add_version(tx, persona, checked, at=self._clock.now()):
                newest = self._changeable(tx, caller, persona_id)
                raise PersonaChangedError(persona_id, version=newest.newest_version)
            version = persona.newest_version + 1
            self._shelf.lend(tx, persona.id, checked.collection_ids, version=version, lender_id=caller.user_id)
            return self._changeable(tx, caller, persona_id)

        return await self._database.write(work)

    async def set_status(self, caller: Principal, persona_id: PersonaId, status: PersonaStatus) -> Persona:
        """Archive it (no new sessions; running ones go on) or take it back. Idempotent."""
        require_role(caller, *TEACHERS)

        def work(tx: Tx) -> Persona:
            persona = self._changeable(tx, caller, persona_id)
            if persona.status is not status:
                self._repo.set_status(tx, persona.id, status, at=self._clock.now())
            return self._changeable(tx, caller, persona_id)

        return await self._database.write(work)

    async def share(self, caller: Principal, persona_id: PersonaId, user_ids: Sequence[UserId]) -> Sequence[UserId]:
        """Let these read it and talk with it, and nobody else beside its owner; `EVERYONE` opens it to all."""
        require_role(caller, *TEACHERS)
        wanted = sorted(set(user_ids))
        if len(wanted) > MOST_SHARES:
            raise InvalidInputError(
                f"A client can be shared with {MOST_SHARES} people by name. Share it with everybody instead.",
                field="user_ids",
            )
        for user_id in wanted:
            checked_text(user_id, name="user id", limit_characters=USER_ID_LIMIT_CHARACTERS)

        def work(tx: Tx) -> Sequence[UserId]:
            persona = self._changeable(tx, caller, persona_id)
            self._repo.replace_shares(tx, persona.id, wanted, at=self._clock.now())
            return wanted

        return await self._database.write(work)

    async def shares(self, caller: Principal, persona_id: PersonaId) -> Sequence[UserId]:
        """Who may read it beside its owner; for its owner and admins."""
        require_role(caller, *TEACHERS)
        return await self._database.read(
            lambda tx: self._repo.shared_with(tx, self._changeable(tx, caller, persona_id).id)
        )

    async def prompt(self, caller: Principal, persona_id: PersonaId, *, version: int | None = None) -> str:
        """The system prompt that sessions with it begin with now."""
        return self.generate_system_prompt((await self.get(caller, persona_id, version=version)).profile)

    def preview(self, caller: Principal, profile: ClientProfile) -> str:
        """The same for a profile that is not saved."""
        require_role(caller, *TEACHERS)
        return self.generate_system_prompt(checked_profile(profile))

    def generate_system_prompt(self, profile: ClientProfile) -> str:
        """The prompt of a profile by this deployment's templates: see `prompts.system_prompt`."""
        return generate_system_prompt(profile, self.library)

    # ── for students ──

    async def open_to(self, caller: Principal, *, cursor: str | None = None, limit: int = 50) -> Page[Persona]:
        """The clients that the caller can begin a session with, newest first: their own and those shared."""
        return await self._page(PersonaFilter(), visible_to=caller.user_id, cursor=cursor, limit=limit)

    async def find_open(self, caller: Principal, persona_id: PersonaId) -> Persona:
        """One of them. Raises PersonaArchivedError too."""
        return await self._database.read(lambda tx: self.open_for_session(tx, caller, persona_id))

    # ── for other rooms: these join the caller's transaction ──

    def open_for_session(self, tx: Tx, caller: Principal, persona_id: PersonaId) -> Persona:
        """The client, if the caller may begin a session with it. Up to three statements."""
        persona = self._visible(tx, caller, persona_id)
        if persona.status is PersonaStatus.ARCHIVED:
            raise PersonaArchivedError(persona_id)
        return persona

    # ── inside ──

    async def _note_look(self, caller: Principal, persona: Persona) -> None:
        """What admins see of others is on record."""
        if caller.role is Role.ADMIN and persona.owner_id != caller.user_id:
            await self._audit.note(
                Deed(
                    action="persona.looked_at",
                    actor_id=caller.user_id,
                    subject_id=persona.owner_id,
                    target=f"persona:{persona.id}",
                )
            )

    async def _page(
        self, wanted: PersonaFilter, *, visible_to: UserId | None, cursor: str | None, limit: int
    ) -> Page[Persona]:
        at = None if cursor is None else Cursor.decode(cursor, types=(UUID,))

        def work(tx: Tx) -> Sequence[Persona]:
            found = self._repo.list_of(tx, wanted, visible_to=visible_to, cursor=at, count=limit + 1)
            return self._with_collections(tx, found)

        rows = await self._database.read(work)
        return make_page(rows, limit=limit, cursor=at, key_of=lambda row: (row.id,))

    def _found(self, tx: Tx, persona_id: PersonaId) -> Persona:
        found = self._repo.find(tx, PersonaId(parse_id(persona_id)))
        if found is None:
            raise PersonaNotFoundError(persona_id)
        return self._with_collections(tx, [found])[0]

    def _with_collections(self, tx: Tx, personas: Sequence[Persona]) -> Sequence[Persona]:
        known = self._shelf.lent(tx, [(persona.id, persona.version) for persona in personas])
        return [
            replace(persona, profile=_knowing(persona.profile, known.get((persona.id, persona.version), ())))
            for persona in personas
        ]

    def _changeable(self, tx: Tx, caller: Principal, persona_id: PersonaId) -> Persona:
        persona = self._found(tx, persona_id)
        if caller.role is not Role.ADMIN and persona.owner_id != caller.user_id:
            raise PersonaForbiddenError(persona_id)
        return persona

    def _visible(self, tx: Tx, caller: Principal, persona_id: PersonaId) -> Persona:
        persona = self._found(tx, persona_id)
        is_theirs = caller.role is Role.ADMIN or persona.owner_id == caller.user_id
        if not (is_theirs or self._repo.is_shared_with(tx, persona.id, caller.user_id)):
            raise PersonaForbiddenError(persona_id)
        return persona

    def _in_version(self, tx: Tx, persona: Persona, version: int) -> Persona:
        found = self._repo.find_version(tx, persona.id, version)
        if found is None:
            raise PersonaNotFoundError(persona.id)
        return self._with_collections(tx, [replace(persona, version=found.version, profile=found.profile)])[0]


def _knowing(profile: ClientProfile, collection_ids: Sequence[str]) -> ClientProfile:
    return replace(profile, collection_ids=tuple(collection_ids)) if collection_ids else profile


def shown_shares(user_ids: Sequence[UserId]) -> tuple[bool, list[UserId]]:
    """Whether everybody is among them, and who is named."""
    return EVERYONE in user_ids, [user_id for user_id in user_ids if user_id != EVERYONE]
