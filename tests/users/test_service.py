"""Accounts: made, changed, closed; by admins, and on record."""

import asyncio

import pytest

from conversation_engine.domains.users.errors import (
    BadCredentialsError,
    LastAdminError,
    RevokedTokenError,
    UserExistsError,
    UserNotFoundError,
    WeakPasswordError,
)
from conversation_engine.domains.users.types import NewUser, UserFilter
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role, RoleForbiddenError
from tests.users.scenes import PASSWORD, ROOT, OpenOffice


class TestCreate:
    async def test_an_account_comes_back_without_its_password(self, open_office: OpenOffice) -> None:
        accounts = open_office().accounts
        made = await accounts.create(ROOT, NewUser(login="  Ada ", role=Role.TEACHER, password=PASSWORD))
        assert (made.login, made.name, made.role, made.has_password) == ("ada", "ada", Role.TEACHER, True)
        assert await accounts.get(ROOT, made.id) == made
        assert PASSWORD not in repr(made)

    async def test_a_name_is_given_once_however_it_is_written(self, open_office: OpenOffice) -> None:
        accounts = open_office().accounts
        await accounts.create(ROOT, NewUser(login="Ada"))
        with pytest.raises(UserExistsError):
            await accounts.create(ROOT, NewUser(login="ADA"))

    @pytest.mark.parametrize("password", ["short", "a" * 20, "ada-lovelace", " " * 20])
    async def test_a_password_that_can_be_guessed_is_refused(self, open_office: OpenOffice, password: str) -> None:
        with pytest.raises((WeakPasswordError, Exception), match=r"guessed|empty"):
            await open_office().accounts.create(ROOT, NewUser(login="ada-lovelace", password=password))

    @pytest.mark.parametrize("role", [Role.STUDENT, Role.TEACHER])
    async def test_only_admins_see_or_make_accounts(self, open_office: OpenOffice, role: Role) -> None:
        accounts = open_office().accounts
        eve = Principal(user_id=UserId("eve"), role=role)
        made = await accounts.create(ROOT, NewUser(login="ada"))
        for refused in (
            accounts.create(eve, NewUser(login="x", role=Role.ADMIN)),
            accounts.get(eve, made.id),
            accounts.list_of(eve, UserFilter()),
            accounts.change(eve, made.id, role=Role.ADMIN),
            accounts.set_password(eve, made.id, PASSWORD),
            accounts.end_sign_ins(eve, made.id),
        ):
            with pytest.raises(RoleForbiddenError):
                await refused


class TestChange:
    async def test_another_role_or_closing_ends_all_sign_ins(self, open_office: OpenOffice) -> None:
        office = open_office()
        for change in ({"role": Role.TEACHER}, {"is_active": False}):
            user = await office.accounts.create(ROOT, NewUser(login=f"ada{len(change)}{next(iter(change))}"))
            pair = await office.sign_ins.open_for(Principal(user_id=user.id, role=user.role))
            assert office.principal_of(pair.access_token).user_id == user.id
            await office.accounts.change(ROOT, user.id, **change)  # type: ignore[arg-type]
            with pytest.raises(RevokedTokenError):
                office.principal_of(pair.access_token)

    async def test_another_name_ends_none(self, open_office: OpenOffice) -> None:
        office = open_office()
        user = await office.accounts.create(ROOT, NewUser(login="ada"))
        pair = await office.sign_ins.open_for(Principal(user_id=user.id, role=user.role))
        assert (await office.accounts.change(ROOT, user.id, name="Ada L.")).name == "Ada L."
        assert office.principal_of(pair.access_token).user_id == user.id

    async def test_a_closed_account_keeps_tokens_of_any_kind_out(self, open_office: OpenOffice) -> None:
        office = open_office()
        user = await office.accounts.create(ROOT, NewUser(login="ada"))
        await office.accounts.change(ROOT, user.id, is_active=False)
        with pytest.raises(RevokedTokenError):
            office.accounts.revocations.check(Principal(user_id=user.id, role=Role.STUDENT))
        await office.accounts.change(ROOT, user.id, is_active=True)
        office.accounts.revocations.check(Principal(user_id=user.id, role=Role.STUDENT))

    async def test_one_admin_always_stays(self, open_office: OpenOffice) -> None:
        offices = [open_office(), open_office()]
        accounts = offices[0].accounts
        admins = [(await accounts.create(ROOT, NewUser(login=name, role=Role.ADMIN))).id for name in ("a", "b")]
        both = [
            office.accounts.change(ROOT, admin, role=Role.STUDENT)
            for office, admin in zip(offices, admins, strict=True)
        ]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes].count(LastAdminError) == 1
        assert len((await accounts.list_of(ROOT, UserFilter(role=Role.ADMIN))).items) == 1

    async def test_an_unknown_account_is_not_found(self, open_office: OpenOffice) -> None:
        with pytest.raises(UserNotFoundError):
            await open_office().accounts.change(ROOT, UserId("nobody"), name="x")


class TestPasswords:
    async def test_ones_own_needs_the_old_one(self, open_office: OpenOffice) -> None:
        office = open_office()
        user = await office.accounts.create(ROOT, NewUser(login="ada", password=PASSWORD))
        ada = Principal(user_id=user.id, role=user.role)
        with pytest.raises(BadCredentialsError):
            await office.accounts.change_own_password(ada, old="wrong", new="another long one")
        await office.accounts.change_own_password(ada, old=PASSWORD, new="another long one")
        assert (await office.sign_ins.sign_in("ada", "another long one", address=None)).user_id == user.id
        with pytest.raises(BadCredentialsError):
            await office.sign_ins.sign_in("ada", PASSWORD, address=None)

    async def test_who_has_no_account_has_no_password_to_change(self, open_office: OpenOffice) -> None:
        with pytest.raises(BadCredentialsError):
            await open_office().accounts.change_own_password(ROOT, old="", new="another long one")


class TestListing:
    async def test_it_pages_and_filters(self, open_office: OpenOffice) -> None:
        accounts = open_office().accounts
        ids = [(await accounts.create(ROOT, NewUser(login=f"u{number}"))).id for number in range(5)]
        await accounts.change(ROOT, ids[0], is_active=False)
        first = await accounts.list_of(ROOT, UserFilter(), limit=3)
        second = await accounts.list_of(ROOT, UserFilter(), limit=3, cursor=first.next)
        assert [user.id for user in [*first.items, *second.items]] == sorted(ids)
        assert [user.id for user in (await accounts.list_of(ROOT, UserFilter(is_active=False))).items] == [ids[0]]


class TestRecord:
    async def test_every_administrative_act_is_on_record_without_secrets(self, open_office: OpenOffice) -> None:
        office = open_office()
        user = await office.accounts.create(ROOT, NewUser(login="ada", password=PASSWORD))
        await office.accounts.change(ROOT, user.id, role=Role.TEACHER)
        await office.accounts.set_password(ROOT, user.id, "another long one")
        await office.accounts.end_sign_ins(ROOT, user.id)
        await office.sign_ins.make_link(ROOT, user.id)
        events = (await office.audit.list_of(ROOT, AuditFilter(subject_id=user.id))).items
        assert [event.deed.action for event in events] == [
            "link.made",
            "user.signed_out",
            "user.password_set",
            "user.changed",
            "user.created",
        ]
        assert {event.deed.actor_id for event in events} == {"root"}
        assert events[3].deed.details == {"role": "teacher"}
        assert not any(word in repr(events) for word in (PASSWORD, "another long one", "plain:"))
        with pytest.raises(RoleForbiddenError):
            await office.audit.list_of(Principal(user_id=user.id, role=Role.TEACHER), AuditFilter())
