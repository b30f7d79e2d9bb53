"""Clients: made, edited, shared, archived."""

import asyncio
from dataclasses import replace

import pytest

from conversation_engine.domains.llm.types import Sampling
from conversation_engine.domains.personas.errors import (
    PersonaArchivedError,
    PersonaChangedError,
    PersonaForbiddenError,
    PersonaNotFoundError,
)
from conversation_engine.domains.personas.types import EVERYONE, ClientProfile, PersonaFilter, PersonaStatus
from conversation_engine.kernel.errors import InvalidInputError
from conversation_engine.kernel.ids import PersonaId, UserId
from conversation_engine.kernel.once import Once
from conversation_engine.kernel.people import Principal, Role, RoleForbiddenError
from tests.conftest import OpenEngine
from tests.personas.profiles import PROFILES


def person(name: str, role: Role) -> Principal:
    return Principal(user_id=UserId(name), role=role)


ADA = person("ada", Role.STUDENT)
TESS = person("tess", Role.TEACHER)
THEO = person("theo", Role.TEACHER)
ROOT = person("root", Role.ADMIN)
MARIA = PROFILES["full"]


class TestCreate:
    async def test_a_profile_comes_back_as_it_was_given(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        for profile in PROFILES.values():
            made = await personas.create(TESS, profile)
            assert made.profile == replace(profile, name=profile.name.strip())
            assert await personas.get(TESS, made.id) == made
            assert (made.version, made.owner_id, made.status) == (1, "tess", PersonaStatus.ACTIVE)

    async def test_a_repeated_request_makes_one(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        first, again = [await personas.create(TESS, MARIA, once=Once.of("k", "same")) for _ in range(2)]
        assert first == again

    async def test_students_make_none(self, open_engine: OpenEngine) -> None:
        with pytest.raises(RoleForbiddenError):
            await (await open_engine()).personas.create(ADA, MARIA)

    @pytest.mark.parametrize(
        "bad",
        [
            ClientProfile(name=" "),
            ClientProfile(name="x" * 101),
            ClientProfile(name="x", age=-1),
            ClientProfile(name="x", age=131),
            ClientProfile(name="x", background="x\x00"),
            ClientProfile(name="x", goals=("g",) * 21),
            ClientProfile(name="x", goals=("g" * 501,)),
            ClientProfile(name="x", sampling=Sampling(temperature=float("nan"))),
            ClientProfile(name="x", sampling=Sampling(temperature=9)),
        ],
    )
    async def test_what_cannot_be_kept_is_refused(self, open_engine: OpenEngine, bad: ClientProfile) -> None:
        with pytest.raises(InvalidInputError):
            await (await open_engine()).personas.create(TESS, bad)


class TestEdit:
    async def test_every_version_stays_readable(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        older = replace(MARIA, age=48)
        edited = await personas.edit(TESS, made.id, older)
        assert (edited.version, edited.profile) == (2, older)
        assert (await personas.get(TESS, made.id, version=1)).profile == MARIA
        assert [version.version for version in await personas.versions(TESS, made.id)] == [2, 1]
        with pytest.raises(PersonaNotFoundError):
            await personas.get(TESS, made.id, version=3)

    async def test_what_changes_nothing_makes_no_version(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        assert await personas.edit(TESS, made.id, MARIA) == made

    async def test_of_two_who_edit_the_same_version_one_is_told(self, open_engine: OpenEngine) -> None:
        engines = [await open_engine() for _ in range(2)]
        made = await engines[0].personas.create(TESS, MARIA)
        edits = [
            engine.personas.edit(TESS, made.id, replace(MARIA, age=age), based_on=1)
            for age, engine in zip((50, 60), engines, strict=True)
        ]
        outcomes = await asyncio.gather(*edits, return_exceptions=True)
        [refused] = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert isinstance(refused, PersonaChangedError)
        assert refused.facts["version"] == 2
        assert len(await engines[0].personas.versions(TESS, made.id)) == 2

    async def test_only_its_teacher_and_admins_edit(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        await personas.share(TESS, made.id, [UserId("theo")])
        with pytest.raises(PersonaForbiddenError):
            await personas.edit(THEO, made.id, PROFILES["bare"])
        assert (await personas.edit(ROOT, made.id, PROFILES["bare"])).owner_id == "tess"


class TestShare:
    async def test_it_is_read_by_those_named_and_by_nobody_else(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        with pytest.raises(PersonaForbiddenError):
            await personas.get(THEO, made.id)
        await personas.share(TESS, made.id, [UserId("theo"), UserId("ada")])
        assert (await personas.get(THEO, made.id)).profile == MARIA
        assert [item.id for item in (await personas.list_of(THEO, PersonaFilter())).items] == [made.id]
        assert [item.id for item in (await personas.open_to(ADA)).items] == [made.id]
        await personas.share(TESS, made.id, [])
        assert (await personas.open_to(ADA)).items == []
        with pytest.raises(PersonaForbiddenError):
            await personas.find_open(ADA, made.id)

    async def test_everyone_is_everyone(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        await personas.share(TESS, made.id, [EVERYONE])
        for somebody in (ADA, THEO, ROOT):
            assert (await personas.find_open(somebody, made.id)).id == made.id

    async def test_who_may_read_may_not_see_with_whom_else_it_is_shared(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        await personas.share(TESS, made.id, [UserId("theo"), UserId("ada")])
        assert await personas.shares(TESS, made.id) == ["ada", "theo"]
        with pytest.raises(PersonaForbiddenError):
            await personas.shares(THEO, made.id)


class TestListing:
    async def test_pages_lead_through_all_and_back(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = [(await personas.create(TESS, ClientProfile(name=f"n{number}"))).id for number in range(5)]
        await personas.create(THEO, MARIA)
        first = await personas.list_of(TESS, PersonaFilter(), limit=3)
        second = await personas.list_of(TESS, PersonaFilter(), limit=3, cursor=first.next)
        assert [item.id for item in [*first.items, *second.items]] == made[::-1]
        back = await personas.list_of(TESS, PersonaFilter(), limit=3, cursor=second.previous)
        assert [item.id for item in back.items] == [item.id for item in first.items]
        assert len((await personas.list_of(ROOT, PersonaFilter())).items) == 6
        assert len((await personas.list_of(ROOT, PersonaFilter(owner_id=UserId("theo")))).items) == 1


class TestArchive:
    async def test_an_archived_client_takes_no_session_and_comes_back(self, open_engine: OpenEngine) -> None:
        personas = (await open_engine()).personas
        made = await personas.create(TESS, MARIA)
        await personas.set_status(TESS, made.id, PersonaStatus.ARCHIVED)
        with pytest.raises(PersonaArchivedError):
            await personas.find_open(TESS, made.id)
        assert (await personas.list_of(TESS, PersonaFilter())).items == []
        assert (await personas.open_to(TESS)).items == []
        archived = await personas.list_of(TESS, PersonaFilter(status=PersonaStatus.ARCHIVED))
        assert [item.id for item in archived.items] == [made.id]
        await personas.set_status(TESS, made.id, PersonaStatus.ACTIVE)
        assert (await personas.find_open(TESS, made.id)).id == made.id


class TestUnknown:
    async def test_an_unknown_client_is_not_found(self, open_engine: OpenEngine) -> None:
        with pytest.raises(PersonaNotFoundError):
            await (await open_engine()).personas.get(TESS, PersonaId("01890a5d-ac96-774b-bcce-b302099a8057"))
