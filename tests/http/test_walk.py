"""Every route of the OpenAPI document, by people of every role: `rules.py` says who is let in. A new route is not
covered before it has a rule, and then this fails.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from fastapi import FastAPI

from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.testing import ScriptedModel
from tests.conftest import PostgresDatabases, settings_over
from tests.http.rules import DOORS, OPEN, RULES, Route
from tests.http.scenes import MISSING_ID, problem_in
from tests.http.world import ROLES, SECRET_WORDS, World, furnish, people_of

BAD_IDS = ("1", "x", "%00", "%ff", "..%5c", "01890a5d-ac96-774b-bcce-b302099a805g", "9" * 5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Furnished:
    """A database in which there is a world, and the ids of its things."""

    url: str
    ids: Mapping[str, str]


async def furnished_in(url: str, folder: Path) -> Furnished:
    """Make a world there: half a second, which a copy of it saves."""
    app = create_app(settings_over(url, folder), providers={"scripted": ScriptedModel()})
    async with app.router.lifespan_context(app), people_of(app) as clients:
        world = await furnish(World(clients=clients))
        document = f"/documents/{world.ids['document_id']}"
        async with asyncio.timeout(10):
            while (await world["ada"].get(document)).json()["status"] != "ready":
                await asyncio.sleep(0.01)
    return Furnished(url=url, ids=world.ids)


@pytest.fixture(scope="module")
async def furnished_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """A file to copy."""
    folder = tmp_path_factory.mktemp("world")
    shutil.copy(sqlite_template, folder / "world.db")
    return await furnished_in(f"sqlite:///{folder / 'world.db'}", folder)


@pytest.fixture(scope="module")
def own_database(postgres_databases: PostgresDatabases) -> Iterator[str]:
    """The name of a PostgreSQL database that is this file's."""
    with postgres_databases.one() as name:
        yield name


@pytest.fixture(scope="module")
async def furnished_server(
    own_database: str, postgres_databases: PostgresDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Furnished:
    """One that the tests of this file have in turn."""
    return await furnished_in(postgres_databases.url_of(own_database), tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def kept_server(
    furnished_server: Furnished, own_database: str, postgres_databases: PostgresDatabases
) -> Iterator[Furnished]:
    """The same, and its rows can be brought back."""
    with postgres_databases.kept(own_database):
        yield furnished_server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def furnished(request: pytest.FixtureRequest, tmp_path: Path) -> Furnished:
    """A world as it was made, on each kind of database."""
    if request.param == "sqlite":
        original = request.getfixturevalue("furnished_file")
        shutil.copy(original.url.removeprefix("sqlite:///"), tmp_path / "world.db")
        return replace(original, url=f"sqlite:///{tmp_path / 'world.db'}")
    furnished: Furnished = request.getfixturevalue("kept_server")
    request.getfixturevalue("postgres_databases").restore(request.getfixturevalue("own_database"))
    return furnished


@pytest.fixture
def database_url(furnished: Furnished) -> str:
    """Every test of this file finds the world there."""
    return furnished.url


@pytest.fixture
async def world(app: FastAPI, furnished: Furnished) -> AsyncIterator[World]:
    """People of every role; Ada's conversation and Tess's client."""
    async with people_of(app) as clients:
        yield World(clients=clients, ids=dict(furnished.ids))


def routes_of(app: FastAPI) -> Iterator[Route]:
    """Every method and path template of the service."""
    for path, operations in app.openapi()["paths"].items():
        for method in operations:
            yield method.upper(), path


async def call(client: httpx2.AsyncClient, route: Route, ids: dict[str, str]) -> httpx2.Response:
    """Call a route with what it would take."""
    method, path = route
    rule = RULES[route]
    names = {**ids, **{name: ids[other] for name, other in rule.aliases.items()}}
    return await client.request(
        method, path.format(**names), json=filled(rule.body, ids), params=filled(dict(rule.query), ids) or None
    )


def filled(value: Any, ids: dict[str, str]) -> Any:
    """With the ids that it names."""
    if isinstance(value, dict):
        return {name: filled(inner, ids) for name, inner in value.items()}
    return value.format(**ids) if isinstance(value, str) and value.startswith("{") else value


def is_about_something(route: Route) -> bool:
    """Whether its path names an id that we made: those of users may be another issuer's."""
    return "_id}" in route[1] and "{user_id}" not in route[1]


class TestTheTable:
    async def test_it_has_every_route_and_no_other(self, app: FastAPI) -> None:
        assert {*RULES, *OPEN, *DOORS} == set(routes_of(app)), "give the new route a rule in tests/http/rules.py"
        assert not set(RULES) & {*OPEN, *DOORS}

    def test_a_rule_says_how_the_others_are_refused(self) -> None:
        for route, rule in RULES.items():
            assert bool(rule.refused_as) == (rule.allowed != frozenset(ROLES)), route
            assert rule.missing_as or "_id}" not in route[1], route


class TestTheDoors:
    """Where people come in: without a token, and with nothing true in the body nobody does."""

    @pytest.mark.parametrize("route", DOORS, ids=" ".join)
    async def test_they_let_nobody_in_without_a_secret(self, app: FastAPI, route: Route) -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as stranger:
            response = await stranger.request(*route, json=DOORS[route])
            assert response.status_code == 401
            assert problem_in(response)["code"] in {"bad_credentials", "invalid_refresh_token", "invalid_link"}


class TestWithoutAToken:
    async def test_every_route_but_the_open_ones_answers_401(self, app: FastAPI) -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://x") as stranger:
            for route in RULES:
                for anything in (MISSING_ID, "x"):  # not even the form of an id is told
                    path = re.sub(r"\{\w+\}", anything, route[1])
                    response = await stranger.request(route[0], path, json=RULES[route].body)
                    assert response.status_code == 401, route
                    assert problem_in(response)["code"] in {"not_authenticated", "invalid_api_key"}
                    assert response.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("route", RULES, ids=" ".join)
async def test_each_route_lets_in_whom_it_should(world: World, route: Route) -> None:
    """One world a route: first those who may not, who change nothing; then ids of nothing; then those who may."""
    await check_the_refused(world, route)
    await check_ids_of_nothing(world, route)
    await check_the_allowed(world, route)


@pytest.mark.parametrize("text", [b"\x00", b"a\x00b", b"\xff"], ids=ascii)
async def test_a_query_that_no_database_takes_breaks_nothing(app: FastAPI, world: World, text: bytes) -> None:
    asked = [
        (path, parameter["name"])
        for path, operations in app.openapi()["paths"].items()
        for parameter in operations.get("get", {}).get("parameters", [])
        if parameter["in"] == "query" and "string" in str(parameter["schema"])
    ]
    assert len(asked) > 20
    broken = []
    for path, name in asked:
        response = await world["root"].get(f"{path.format(**world.ids)}?{name}={quote(text)}")
        if response.status_code >= 500:
            broken.append((path, name))
    assert not broken, broken


async def check_the_refused(world: World, route: Route) -> None:
    rule = RULES[route]
    for name in sorted(ROLES.keys() - rule.allowed):
        response = await call(world[name], route, world.ids)
        assert response.status_code == 403, (name, response.text)
        assert problem_in(response)["code"] in rule.refused_as
        assert_nothing_leaks(response)
    if "conversation_id" in route[1]:
        mine = (await world["ada"].get(f"/conversations/{world.ids['conversation_id']}")).json()
        assert (mine["title"], mine["status"], mine["message_count"]) == ("zeugma", "active", 2)
    if "persona_id" in route[1]:
        theirs = (await world["tess"].get(f"/personas/{world.ids['persona_id']}")).json()
        assert (theirs["version"], theirs["status"], theirs["profile"]["name"]) == (1, "active", "Maria")


async def check_ids_of_nothing(world: World, route: Route) -> None:
    rule = RULES[route]
    if rule.missing_as is None:
        return
    name = min(rule.allowed)
    response = await call(world[name], route, world.missing())
    assert (response.status_code, problem_in(response)["code"]) == (404, rule.missing_as)
    for bad in BAD_IDS if is_about_something(route) else ():
        response = await call(world[name], route, world.malformed(bad))
        status = 400 if route[1].startswith("/v1/") else 422
        assert (response.status_code, problem_in(response)["code"]) == (status, "invalid_id"), bad


async def check_the_allowed(world: World, route: Route) -> None:
    rule = RULES[route]
    for name in sorted(rule.allowed):
        response = await call(world[name], route, world.ids)
        assert response.status_code < 400 or response.status_code == rule.answer, (name, response.text)
        if name not in rule.entitled:
            assert_nothing_leaks(response)


def assert_nothing_leaks(response: httpx2.Response) -> None:
    """Nothing of Ada's and Tess's words."""
    for word in SECRET_WORDS:
        assert word not in response.text
