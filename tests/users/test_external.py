"""People for whom another issuer vouches."""

import asyncio
import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from pydantic import SecretStr

from conversation_engine.domains.users.authentication import Authenticator
from conversation_engine.domains.users.errors import (
    ExpiredTokenError,
    IdentityConflictError,
    IdentityUnavailableError,
    InvalidTokenError,
    RevokedTokenError,
)
from conversation_engine.domains.users.external.keys import HttpKeySource, PublicKeys
from conversation_engine.domains.users.external.service import ExternalIdentity
from conversation_engine.domains.users.types import NewUser, UserFilter
from conversation_engine.engine.settings import Settings
from conversation_engine.infra.audit.types import AuditFilter
from conversation_engine.kernel.people import Principal, Role
from tests.users.scenes import ROOT, Office, OpenOffice

SHARED = "a secret shared with the campus, over 32 bytes"
ISSUER, AUDIENCE = "https://campus.example", "practice"


class KeyPair:
    """A key of the issuer's, private and public."""

    def __init__(self, key_id: str, algorithm: str) -> None:
        self.key_id, self.algorithm = key_id, algorithm
        if algorithm == "RS256":
            self.private: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            public = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
            public = jwt.algorithms.OKPAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        self.public: Mapping[str, Any] = {**public, "kid": key_id, "alg": algorithm, "use": "sig"}

    def sign(self, **changes: Any) -> str:
        return jwt.encode(claims(**changes), self.private, algorithm=self.algorithm, headers={"kid": self.key_id})


class Campus:
    """An issuer whose key set we hold in our hands."""

    def __init__(self, *keys: KeyPair) -> None:
        self.keys = list(keys)
        self.fetches = 0
        self.is_away = False
        self.body: bytes | None = None

    async def fetch(self) -> bytes:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.is_away:
            raise OSError("away")
        return self.body or json.dumps({"keys": [dict(key.public) for key in self.keys]}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    every = {"iss": ISSUER, "aud": AUDIENCE, "sub": "u-1", "exp": 9_999_999_999, "iat": 1, "name": "Ada L."} | changes
    return {name: value for name, value in every.items() if value is not ...}


def part(document: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(document).encode()).decode().rstrip("=")


def by_secret(secret: str = SHARED, **changes: Any) -> str:
    return jwt.encode(claims(**changes), secret, algorithm="HS256")


def identity_of(office: Office, settings: Settings, campus: Campus | None = None, **changes: Any) -> ExternalIdentity:
    known = {"external_audience": AUDIENCE, "external_secrets": [SecretStr(SHARED)]} | changes
    keys = None if campus is None else PublicKeys(campus, clock=office.clock, seconds=600)
    return ExternalIdentity(
        office.accounts._database,
        clock=office.clock,
        settings=settings.model_copy(update=known),
        issuer=ISSUER,
        keys=keys,
        audit=office.audit,
    )


@pytest.fixture(scope="module")
def keys() -> dict[str, KeyPair]:
    return {"rs": KeyPair("rs-1", "RS256"), "ed": KeyPair("ed-1", "EdDSA"), "next": KeyPair("rs-2", "RS256")}


class TestFirstSight:
    async def test_an_account_is_made_and_put_on_record(self, open_office: OpenOffice, settings: Settings) -> None:
        office = open_office()
        ada = await identity_of(office, settings).admit(by_secret(role="teacher"))
        assert ada == Principal(user_id=ada.user_id, role=Role.TEACHER)
        user = await office.accounts.get(ROOT, ada.user_id)
        assert (user.id, user.name, user.issuer, user.role, user.login) == ("u-1", "Ada L.", ISSUER, Role.TEACHER, None)
        [event] = (await office.audit.list_of(ROOT, AuditFilter())).items
        assert (event.deed.action, event.deed.subject_id) == ("user.first_seen", "u-1")

    async def test_many_requests_at_once_make_one(self, open_office: OpenOffice, settings: Settings) -> None:
        offices = [open_office() for _ in range(4)]
        admitted = [identity_of(office, settings).admit(by_secret()) for office in offices]
        assert {principal.user_id for principal in await asyncio.gather(*admitted)} == {"u-1"}
        assert len((await offices[0].accounts.list_of(ROOT, UserFilter())).items) == 1

    async def test_what_the_issuer_says_later_counts(self, open_office: OpenOffice, settings: Settings) -> None:
        office = open_office()
        identity = identity_of(office, settings)
        await identity.admit(by_secret())
        assert (await identity.admit(by_secret(role="admin", name="Ada K."))).role is Role.ADMIN
        user = await office.accounts.get(ROOT, (await identity.admit(by_secret(role="admin", name="Ada K."))).user_id)
        assert (user.role, user.name) == (Role.ADMIN, "Ada K.")

    async def test_nobody_takes_over_an_account_of_ours(self, open_office: OpenOffice, settings: Settings) -> None:
        office = open_office()
        mine = await office.accounts.create(ROOT, NewUser(login="ada", role=Role.ADMIN))
        with pytest.raises(IdentityConflictError):
            await identity_of(office, settings).admit(by_secret(sub=mine.id))
        assert (await office.accounts.get(ROOT, mine.id)).role is Role.ADMIN

    async def test_a_closed_account_stays_closed(self, open_office: OpenOffice, settings: Settings) -> None:
        office = open_office()
        authenticate = Authenticator(office.tokens, office.accounts.revocations, identity_of(office, settings))
        ada = await authenticate(by_secret())
        await office.accounts.change(ROOT, ada.user_id, is_active=False)
        with pytest.raises(RevokedTokenError):
            await authenticate(by_secret())


class TestClaims:
    @pytest.mark.parametrize(
        ("said", "table", "role"),
        [
            ({}, {}, Role.STUDENT),
            ({"role": "root"}, {}, Role.STUDENT),
            ({"role": "teacher"}, {}, Role.TEACHER),
            ({"role": "teacher"}, {"instructor": "teacher"}, Role.STUDENT),
            ({"role": "instructor"}, {"instructor": "teacher"}, Role.TEACHER),
            ({"role": ["learner", "dean", "instructor"]}, {"instructor": "teacher", "dean": "admin"}, Role.ADMIN),
            ({"role": 7}, {}, Role.STUDENT),
            ({"role": [["admin"]]}, {}, Role.STUDENT),
        ],
    )
    async def test_roles_are_translated_and_the_rest_are_students(
        self, open_office: OpenOffice, settings: Settings, *, said: dict[str, Any], table: dict[str, str], role: Role
    ) -> None:
        identity = identity_of(open_office(), settings, external_roles=table)
        assert (await identity.admit(by_secret(**said))).role is role

    async def test_claims_may_be_inside_others(self, open_office: OpenOffice, settings: Settings) -> None:
        identity = identity_of(
            open_office(), settings, external_id_claim="person.mail", external_role_claim="realm_access.roles"
        )
        token = by_secret(person={"mail": "ada@campus"}, realm_access={"roles": ["teacher"]})
        admitted = await identity.admit(token)
        assert (admitted.user_id, admitted.role) == ("ada@campus", Role.TEACHER)

    @pytest.mark.parametrize(
        "changes",
        [
            {"iss": "https://other.example"},
            {"iss": ...},
            {"aud": "other"},
            {"aud": ...},
            {"exp": ...},
            {"exp": "soon"},
            {"nbf": 9_999_999_999},
            {"sub": ...},
            {"sub": ""},
            {"sub": "*"},
            {"sub": 7},
            {"sub": "x" * 256},
            {"sub": "x\x00"},
        ],
    )
    async def test_a_token_that_is_not_for_us_is_refused(
        self, open_office: OpenOffice, settings: Settings, changes: dict[str, Any]
    ) -> None:
        with pytest.raises(InvalidTokenError):
            await identity_of(open_office(), settings).admit(by_secret(**changes))

    async def test_an_expired_one_says_so_also_when_it_is_remembered(
        self, open_office: OpenOffice, settings: Settings
    ) -> None:
        office = open_office()
        identity = identity_of(office, settings)
        token = by_secret(exp=int(office.clock.now().timestamp()) + 60)
        await identity.admit(token)
        office.clock.advance(seconds=120)
        with pytest.raises(ExpiredTokenError):
            await identity.admit(token)


class TestKeys:
    @pytest.mark.parametrize("kind", ["rs", "ed"])
    async def test_public_keys_are_fetched_once(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair], kind: str
    ) -> None:
        campus = Campus(keys["rs"], keys["ed"])
        identity = identity_of(open_office(), settings, campus)
        for number in range(5):
            assert (await identity.admit(keys[kind].sign(sub=f"u-{number}"))).user_id == f"u-{number}"
        assert campus.fetches == 1

    async def test_a_new_key_is_found_as_soon_as_it_is_used(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair]
    ) -> None:
        office, campus = open_office(), Campus(keys["rs"])
        identity = identity_of(office, settings, campus)
        await identity.admit(keys["rs"].sign())
        campus.keys.append(keys["next"])
        office.clock.advance(seconds=11)
        assert (await identity.admit(keys["next"].sign())).user_id == "u-1"
        assert (await identity.admit(keys["rs"].sign())).user_id == "u-1"

    async def test_a_key_that_was_taken_away_counts_no_more(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair]
    ) -> None:
        office, campus = open_office(), Campus(keys["rs"], keys["ed"])
        identity = identity_of(office, settings, campus)
        token = keys["rs"].sign()
        await identity.admit(token)
        campus.keys.remove(keys["rs"])
        office.clock.advance(seconds=601)
        await identity.admit(keys["ed"].sign())
        with pytest.raises(InvalidTokenError):
            await identity.admit(token)

    async def test_unknown_key_ids_do_not_make_us_fetch_again_and_again(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair]
    ) -> None:
        campus = Campus(keys["ed"])
        identity = identity_of(open_office(), settings, campus)
        for number in range(20):
            forged = jwt.encode(claims(), keys["rs"].private, algorithm="RS256", headers={"kid": f"k{number}"})
            with pytest.raises(InvalidTokenError):
                await identity.admit(forged)
        assert campus.fetches <= 2

    async def test_while_the_issuer_is_away_the_last_keys_count(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair]
    ) -> None:
        office, campus = open_office(), Campus(keys["rs"])
        identity = identity_of(office, settings, campus)
        await identity.admit(keys["rs"].sign())
        campus.is_away = True
        office.clock.advance(seconds=3600)
        assert await identity.admit(keys["rs"].sign(sub="u-2"))
        office.clock.advance(seconds=86_400)
        with pytest.raises(IdentityUnavailableError):
            await identity.admit(keys["rs"].sign(sub="u-3"))

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys": 7}', b"\xff", b"[" * 100_000])
    async def test_a_key_set_that_makes_no_sense_is_no_key_set(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair], body: bytes
    ) -> None:
        campus = Campus()
        campus.body = body or b" "
        with pytest.raises(IdentityUnavailableError):
            await identity_of(open_office(), settings, campus).admit(keys["rs"].sign())

    async def test_a_public_key_is_no_shared_secret(
        self, open_office: OpenOffice, settings: Settings, keys: dict[str, KeyPair]
    ) -> None:
        """The oldest trick: a token signed by HMAC with the text of the public key."""
        campus = Campus(keys["rs"])
        identity = identity_of(open_office(), settings, campus, external_secrets=[])
        message = f"{part({'alg': 'HS256', 'kid': 'rs-1'})}.{part(claims())}".encode()
        public = json.dumps(dict(keys["rs"].public)).encode()
        signature = base64.urlsafe_b64encode(hmac.digest(public, message, "sha256")).rstrip(b"=")
        forged = (message + b"." + signature).decode()
        for token in (forged, f"{part({'alg': 'none'})}.{part(claims())}.", "x", "a.b.c", "\ud800"):
            with pytest.raises(InvalidTokenError):
                await identity.admit(token)

    async def test_shared_secrets_are_changed_without_a_gap(self, open_office: OpenOffice, settings: Settings) -> None:
        both = [SecretStr("the next shared secret, over 32 bytes"), SecretStr(SHARED)]
        identity = identity_of(open_office(), settings, external_secrets=both)
        for secret in both:
            assert await identity.admit(by_secret(secret.get_secret_value()))
        with pytest.raises(InvalidTokenError):
            await identity.admit(by_secret("some other secret that has over 32 bytes"))


class TestHttpKeySource:
    """The document over a real socket."""

    @staticmethod
    async def fetched(*pieces: bytes) -> bytes:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)  # a packet of its own
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await HttpKeySource(f"http://127.0.0.1:{port}/keys").fetch()

    async def test_a_document_in_several_packets_is_read_whole(self) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
        assert await self.fetched(head, b'{"keys"', b": []}") == b'{"keys": []}'

    async def test_one_that_never_ends_is_not(self) -> None:
        with pytest.raises(OSError, match="too large"):
            await self.fetched(b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 100_000] * 3)

    @pytest.mark.parametrize("status", [b"302 Found\r\nLocation: http://127.0.0.1:1/", b"204 No Content", b"500 No"])
    async def test_any_other_answer_is_none(self, status: bytes) -> None:
        with pytest.raises((OSError, aiohttp.ClientError)):
            await self.fetched(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")


class TestCost:
    async def test_a_token_that_was_seen_costs_no_statement(self, open_office: OpenOffice, settings: Settings) -> None:
        office = open_office()
        identity = identity_of(office, settings)
        token = by_secret()
        await identity.admit(token)

        async def fail(work: object) -> None:
            raise AssertionError("no statement was due")

        identity._database = type("NoDatabase", (), {"read": fail, "write": fail})()
        assert (await identity.admit(token)).user_id == "u-1"
