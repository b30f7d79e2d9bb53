"""Routers that are looked into only for what is theirs."""

from typing import ClassVar

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope

from conversation_engine.infra.web.room import Room


class _Noted(APIRoute):
    """Notes for which paths it was looked at."""

    looked: ClassVar[list[str]] = []

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        self.looked.append(scope["path"])
        return super().matches(scope)


def found(path: str, root_path: str = "") -> Match:
    room, api = Room("/things/{thing}", route_class=_Noted), APIRouter()
    room.add_api_route("/parts", lambda: None)
    api.include_router(room)
    scope = {"type": "http", "method": "GET", "path": path, "root_path": root_path, "headers": []}
    return api.routes[0].matches(scope)[0]


@pytest.mark.parametrize(("path", "root_path"), [("/things/1/parts", ""), ("/mounted/things/1/parts", "/mounted")])
def test_what_is_theirs_is_found(path: str, root_path: str) -> None:
    assert found(path, root_path) is Match.FULL
    assert path in _Noted.looked


@pytest.mark.parametrize("path", ["/other", "/", "/thing", "/mounted/things/2/parts"])
def test_for_all_else_no_route_is_looked_at(path: str) -> None:
    assert found(path) is Match.NONE
    assert path not in _Noted.looked
