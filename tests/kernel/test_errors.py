"""The one tree of errors."""

import importlib
import pkgutil
import re

import pytest

import conversation_engine
from conversation_engine.infra.web.problems import STATUS_BY_KIND
from conversation_engine.kernel.errors import EngineError, InternalError, Kind


def every_error() -> list[type[EngineError]]:
    """All classes of the product, whichever room they live in."""
    for module in pkgutil.walk_packages(conversation_engine.__path__, "conversation_engine."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    found, left = [], [EngineError]
    while left:
        error = left.pop()
        found.append(error)
        left += error.__subclasses__()
    return [error for error in found if error.__module__.startswith("conversation_engine.")]


class TestTree:
    def test_no_two_reasons_share_a_code(self) -> None:
        codes: dict[str, type[EngineError]] = {}
        for error in every_error():
            if error is not InternalError:  # the root answers as an internal error
                assert codes.setdefault(error.code, error) is error, error

    @pytest.mark.parametrize("error", every_error(), ids=lambda error: f"{error.__module__}.{error.__name__}")
    def test_a_reason_has_a_code_of_its_own_and_a_known_kind(self, error: type[EngineError]) -> None:
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code)
        assert len(error.code) <= 50  # what the columns that keep codes hold
        assert error.kind in Kind
        assert error is EngineError or "code" in vars(error)
        assert error.__doc__


class TestStatusByKind:
    @pytest.mark.parametrize("kind", Kind)
    def test_every_kind_is_an_http_error(self, kind: Kind) -> None:
        assert 400 <= STATUS_BY_KIND[kind] <= 599

    def test_only_our_own_faults_and_those_upstream_are_fives(self) -> None:
        assert {kind for kind, status in STATUS_BY_KIND.items() if status >= 500} == {
            Kind.INTERNAL,
            Kind.UPSTREAM,
            Kind.UNAVAILABLE,
        }


class TestInternalError:
    def test_it_never_tells_what_happened(self) -> None:
        try:
            raise ValueError("a secret")
        except ValueError:
            error = InternalError()
        assert "secret" not in error.detail + str(error.facts) + str(error)
