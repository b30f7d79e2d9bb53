"""Signing in, staying signed in, signing out."""

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from conversation_engine.domains.users.errors import (
    BadCredentialsError,
    ExpiredTokenError,
    InvalidLinkError,
    InvalidRefreshTokenError,
    InvalidTokenError,
    NotASignInError,
    RevokedTokenError,
    TooManySignInsError,
)
from conversation_engine.domains.users.types import NewUser
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.kernel.ids import UserId
from conversation_engine.kernel.people import Principal, Role
from tests.users.scenes import PASSWORD, ROOT, Office, OpenOffice


async def office_with_ada(open_office: OpenOffice, **changes: object) -> Office:
    office = open_office(**changes)
    await office.accounts.create(ROOT, NewUser(login="ada", role=Role.TEACHER, password=PASSWORD))
    return office


def code_of(url: str) -> str:
    [code] = parse_qs(urlsplit(url).query)["code"]
    return code


class TestSignIn:
    async def test_the_right_password_gives_a_token_of_ones_own_role(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in(" ADA ", PASSWORD, address="10.0.0.1")
        principal = office.principal_of(pair.access_token)
        assert (principal.user_id, principal.role) == (pair.user_id, Role.TEACHER)
        assert principal.sign_in_id is not None
        assert pair.expires_in_seconds == 15 * 60
        office.clock.advance(seconds=15 * 60 + 1)
        with pytest.raises(ExpiredTokenError):
            office.principal_of(pair.access_token)

    @pytest.mark.parametrize("login", ["ada", "nobody", "closed", "linkonly", "\x00", "\ud800", ""])
    async def test_every_failure_does_the_same_work_and_says_the_same(
        self, open_office: OpenOffice, login: str
    ) -> None:
        office = await office_with_ada(open_office)
        closed = await office.accounts.create(ROOT, NewUser(login="closed", password=PASSWORD))
        await office.accounts.change(ROOT, closed.id, is_active=False)
        await office.accounts.create(ROOT, NewUser(login="linkonly"))
        wrong = PASSWORD if login == "closed" else "wrong wrong wrong"
        with pytest.raises(BadCredentialsError) as refused:
            await office.sign_ins.sign_in(login, wrong, address="10.0.0.1")
        assert refused.value.facts == {}
        assert len(office.hasher.verified) == 1, "one password check, whoever it is"

    async def test_strange_passwords_are_wrong_passwords(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        for password in ("", "\x00", "\ud800", "x" * 100_000):
            with pytest.raises(BadCredentialsError):
                await office.sign_ins.sign_in("ada", password, address=None)

    async def test_it_is_on_record(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        with pytest.raises(BadCredentialsError):
            await office.sign_ins.sign_in("ada", "wrong", address="10.0.0.1")
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address="10.0.0.2")
        events = (await office.audit.list_of(ROOT, AuditFilter(subject_id=pair.user_id))).items
        told = [(event.deed.action, event.deed.actor_id, event.deed.address) for event in events[:2]]
        assert told == [("user.signed_in", pair.user_id, "10.0.0.2"), ("user.sign_in_failed", None, "10.0.0.1")]


class TestTries:
    async def test_too_many_are_refused_until_the_window_is_over(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office, sign_in_tries=3)
        for _ in range(3):
            with pytest.raises(BadCredentialsError):
                await office.sign_ins.sign_in("ada", "wrong", address="10.0.0.1")
        with pytest.raises(TooManySignInsError) as refused:
            await office.sign_ins.sign_in("ada", PASSWORD, address="10.0.0.1")
        assert 0 < refused.value.facts["retry_after"] <= 15 * 60  # type: ignore[operator]
        assert len(office.hasher.verified) == 3, "the password is not even looked at"
        assert await office.sign_ins.sign_in("ada", PASSWORD, address="10.0.0.2"), "nobody is locked out from elsewhere"
        office.clock.advance(seconds=15 * 60 + 1)
        assert await office.sign_ins.sign_in("ada", PASSWORD, address="10.0.0.1")

    async def test_unknown_names_are_counted_the_same(self, open_office: OpenOffice) -> None:
        office = open_office(sign_in_tries=2)
        for _ in range(2):
            with pytest.raises(BadCredentialsError):
                await office.sign_ins.sign_in("nobody", "wrong", address="10.0.0.1")
        with pytest.raises(TooManySignInsError):
            await office.sign_ins.sign_in("nobody", "wrong", address="10.0.0.1")

    async def test_many_at_once_on_many_processes_are_all_counted(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office, sign_in_tries=3)
        offices = [office, *(open_office(sign_in_tries=3, clock=office.clock) for _ in range(3))]
        tries = [offices[number % 4].sign_ins.sign_in("ada", "wrong", address="10.0.0.1") for number in range(12)]
        outcomes = [type(outcome) for outcome in await asyncio.gather(*tries, return_exceptions=True)]
        assert outcomes.count(BadCredentialsError) == 3
        assert outcomes.count(TooManySignInsError) == 9

    async def test_a_name_is_limited_from_everywhere_and_an_address_for_all_names(
        self, open_office: OpenOffice
    ) -> None:
        office = await office_with_ada(open_office, sign_in_tries=1)
        outcomes = []
        for number in range(6):
            with pytest.raises((BadCredentialsError, TooManySignInsError)) as refused:
                await office.sign_ins.sign_in("ada", "wrong", address=f"10.0.0.{number}")
            outcomes.append(refused.type)
        assert outcomes == [BadCredentialsError] * 5 + [TooManySignInsError]
        outcomes = []
        for number in range(11):
            with pytest.raises((BadCredentialsError, TooManySignInsError)) as refused:
                await office.sign_ins.sign_in(f"name{number}", "wrong", address="10.1.0.0")
            outcomes.append(refused.type)
        assert outcomes == [BadCredentialsError] * 10 + [TooManySignInsError]

    async def test_a_school_behind_one_address_signs_in(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office, sign_in_tries=1)
        for _ in range(15):
            assert await office.sign_ins.sign_in("ada", PASSWORD, address="10.0.0.1")


class TestRefresh:
    async def test_each_refresh_token_works_once_and_gives_the_next(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
        for _ in range(3):
            office.clock.advance(seconds=3600)
            fresh = await office.sign_ins.refresh(pair.refresh_token)
            assert fresh.refresh_token != pair.refresh_token
            first, then = (office.tokens.verify(fresh.access_token), fresh)
            assert first.user_id == pair.user_id
            pair = then

    async def test_one_that_was_used_before_ends_the_sign_in(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        stolen = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
        office.clock.advance(seconds=60)
        mine = await office.sign_ins.refresh(stolen.refresh_token)
        office.clock.advance(seconds=60)
        with pytest.raises(InvalidRefreshTokenError):
            await office.sign_ins.refresh(stolen.refresh_token)
        with pytest.raises(InvalidRefreshTokenError):
            await office.sign_ins.refresh(mine.refresh_token)
        with pytest.raises(RevokedTokenError):
            office.principal_of(mine.access_token)

    async def test_an_answer_that_was_lost_can_be_asked_for_again(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
        await office.sign_ins.refresh(pair.refresh_token)
        office.clock.advance(seconds=5)
        again = await office.sign_ins.refresh(pair.refresh_token)
        assert office.principal_of(again.access_token).user_id == pair.user_id

    async def test_one_that_stays_works_for_all_tabs_of_a_browser(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None, stays=True)
        for _ in range(3):
            office.clock.advance(seconds=20 * 24 * 3600)
            again = await office.sign_ins.refresh(pair.refresh_token)
            assert again.refresh_token == pair.refresh_token
            assert office.principal_of(again.access_token).user_id == pair.user_id
        await office.sign_ins.sign_out(office.principal_of(again.access_token), address=None)
        with pytest.raises(InvalidRefreshTokenError):
            await office.sign_ins.refresh(pair.refresh_token)

    async def test_nobody_makes_one_stay_that_does_not(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
        sign_in_id, secret = pair.refresh_token.split(".", 1)
        with pytest.raises(InvalidRefreshTokenError):
            await office.sign_ins.refresh(f"{sign_in_id}.~{secret}")

    @pytest.mark.parametrize("token", ["", "x", "01890a5d-ac96-774b-bcce-b302099a8057.x", "\ud800", "\x00", "." * 900])
    async def test_what_is_none_of_ours_is_refused(self, open_office: OpenOffice, token: str) -> None:
        with pytest.raises(InvalidRefreshTokenError):
            await open_office().sign_ins.refresh(token)

    async def test_it_ends_when_it_is_not_used(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
        office.clock.advance(seconds=timedelta(days=30).total_seconds() + 1)
        with pytest.raises(InvalidRefreshTokenError):
            await office.sign_ins.refresh(pair.refresh_token)

    async def test_only_a_hash_is_kept(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
        rows = await office.accounts._database.read(
            lambda tx: tx.exec_driver_sql("SELECT refresh_hash FROM sign_ins").scalars().all()
        )
        assert rows
        assert pair.refresh_token not in rows


class TestSignOut:
    async def test_here_it_counts_at_once_elsewhere_with_the_next_look(self, open_office: OpenOffice) -> None:
        here = await office_with_ada(open_office)
        elsewhere = open_office(clock=here.clock)
        pair = await here.sign_ins.sign_in("ada", PASSWORD, address=None)
        await here.sign_ins.sign_out(here.principal_of(pair.access_token), address=None)
        with pytest.raises(RevokedTokenError):
            here.principal_of(pair.access_token)
        await elsewhere.accounts.revocations.refresh()
        with pytest.raises(RevokedTokenError):
            elsewhere.principal_of(pair.access_token)
        with pytest.raises(InvalidRefreshTokenError):
            await elsewhere.sign_ins.refresh(pair.refresh_token)

    async def test_the_others_look_by_themselves(self, open_office: OpenOffice) -> None:
        here = await office_with_ada(open_office)
        elsewhere = open_office(clock=here.clock, revocation_seconds=0.02)
        await elsewhere.accounts.revocations.start()
        try:
            pair = await here.sign_ins.sign_in("ada", PASSWORD, address=None)
            principal = elsewhere.principal_of(pair.access_token)
            await here.sign_ins.sign_out(principal, address=None)
            async with asyncio.timeout(10):
                while True:
                    try:
                        elsewhere.accounts.revocations.check(principal)
                    except RevokedTokenError:
                        break
                    await asyncio.sleep(0.01)
        finally:
            await elsewhere.accounts.revocations.aclose()

    async def test_only_that_sign_in_ends(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        phone, laptop = [await office.sign_ins.sign_in("ada", PASSWORD, address=None) for _ in range(2)]
        await office.sign_ins.sign_out(office.principal_of(phone.access_token), address=None)
        assert office.principal_of(laptop.access_token).user_id == laptop.user_id

    async def test_a_list_of_revocations_does_not_grow_for_ever(self, open_office: OpenOffice) -> None:
        office = await office_with_ada(open_office)
        for _ in range(3):
            pair = await office.sign_ins.sign_in("ada", PASSWORD, address=None)
            await office.sign_ins.sign_out(office.principal_of(pair.access_token), address=None)
            office.clock.advance(seconds=16 * 60)
        rows = await office.accounts._database.read(
            lambda tx: tx.exec_driver_sql("SELECT count(*) FROM revoked_sign_ins").scalar_one()
        )
        assert rows == 1

    async def test_a_token_of_no_sign_in_cannot_be_signed_out(self, open_office: OpenOffice) -> None:
        with pytest.raises(NotASignInError):
            await open_office().sign_ins.sign_out(ROOT, address=None)


class TestLink:
    async def test_it_signs_in_once(self, open_office: OpenOffice) -> None:
        office = open_office()
        user = await office.accounts.create(ROOT, NewUser(login="ada", role=Role.TEACHER))
        code = code_of(await office.sign_ins.make_link(ROOT, user.id))
        pair = await office.sign_ins.use_link(code, address=None)
        assert (office.principal_of(pair.access_token).user_id, pair.role) == (user.id, Role.TEACHER)
        with pytest.raises(InvalidLinkError):
            await office.sign_ins.use_link(code, address=None)

    async def test_of_two_who_use_it_at_once_one_comes_in(self, open_office: OpenOffice) -> None:
        offices = [open_office() for _ in range(2)]
        code = code_of(offices[0].sign_ins.link_for(ROOT))
        uses = [office.sign_ins.use_link(code, address=None) for office in offices]
        outcomes = await asyncio.gather(*uses, return_exceptions=True)
        assert [isinstance(outcome, InvalidLinkError) for outcome in outcomes].count(True) == 1

    async def test_it_is_short_lived_and_no_token(self, open_office: OpenOffice) -> None:
        office = open_office()
        code = code_of(office.sign_ins.link_for(ROOT))
        with pytest.raises(InvalidTokenError):
            office.tokens.verify(code)
        office.clock.advance(seconds=15 * 60 + 1)
        with pytest.raises(InvalidLinkError):
            await office.sign_ins.use_link(code, address=None)

    async def test_a_token_is_no_link(self, open_office: OpenOffice) -> None:
        office = open_office()
        token = office.tokens.issue(ROOT, lifetime=timedelta(minutes=5))
        with pytest.raises(InvalidLinkError):
            await office.sign_ins.use_link(token, address=None)

    async def test_it_lets_in_whom_the_account_is_now(self, open_office: OpenOffice) -> None:
        office = open_office()
        user = await office.accounts.create(ROOT, NewUser(login="ada", role=Role.ADMIN))
        await office.accounts.create(ROOT, NewUser(login="other", role=Role.ADMIN))
        links = [code_of(await office.sign_ins.make_link(ROOT, user.id)) for _ in range(2)]
        await office.accounts.change(ROOT, user.id, role=Role.STUDENT)
        assert (await office.sign_ins.use_link(links[0], address=None)).role is Role.STUDENT
        await office.accounts.change(ROOT, user.id, is_active=False)
        with pytest.raises(InvalidLinkError):
            await office.sign_ins.use_link(links[1], address=None)

    async def test_without_an_account_too(self, open_office: OpenOffice) -> None:
        office = open_office()
        stranger = Principal(user_id=UserId("local"), role=Role.ADMIN)
        pair = await office.sign_ins.use_link(code_of(office.sign_ins.link_for(stranger)), address=None)
        assert (pair.user_id, pair.role) == ("local", Role.ADMIN)
        office.clock.advance(seconds=3600)
        assert (await office.sign_ins.refresh(pair.refresh_token)).role is Role.ADMIN


class TestSecrets:
    async def test_a_secret_is_changed_without_signing_anybody_out(self, open_office: OpenOffice) -> None:
        from pydantic import SecretStr

        before = await office_with_ada(open_office)
        pair = await before.sign_ins.sign_in("ada", PASSWORD, address=None)
        old = before.tokens._secret
        after = open_office(clock=before.clock, secret=SecretStr("n" * 32), accepted_secrets=[SecretStr(old)])
        assert after.principal_of(pair.access_token).user_id == pair.user_id
        fresh = await after.sign_ins.refresh(pair.refresh_token)
        with pytest.raises(InvalidTokenError):
            before.principal_of(fresh.access_token)
        finished = open_office(clock=before.clock, secret=SecretStr("n" * 32))
        with pytest.raises(InvalidTokenError):
            finished.principal_of(pair.access_token)
        assert finished.principal_of(fresh.access_token).user_id == pair.user_id
