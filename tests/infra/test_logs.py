"""Logs: one event a line, in names that people or the Elastic Common Schema know; never what somebody said."""

import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conversation_engine.domains.limits.errors import OverBudgetError
from conversation_engine.domains.llm.errors import OverloadedError
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.engine.settings import Settings
from conversation_engine.entrypoints.http.app import create_app
from conversation_engine.entrypoints.http.middleware import trace_of
from conversation_engine.infra.observability import logs
from conversation_engine.infra.observability.ecs import ECS_VERSION, FIELDS, FOREIGN, OWN
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.testing import Fail, Say, ScriptedModel
from tests.conftest import settings_over
from tests.turns.scenes import answered, ask, begin
from tests.turns.test_spending import bound

ROOT = Path(__file__).parents[2]
TYPES: Mapping[str, type | tuple[type, ...]] = {"long": int}
ALWAYS = {"@timestamp", "log.level", "message", "ecs.version", "event.action", "service.name", "event.dataset"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def checked(line: str) -> dict[str, Any]:
    """An event, each of whose fields is one of the schema's, or ours, and of the right type."""
    event: dict[str, Any] = json.loads(line)
    assert event.keys() >= ALWAYS
    for name, value in event.items():
        if name.startswith(OWN):
            assert isinstance(value, str | int | float | bool), name
        else:
            assert isinstance(value, TYPES.get(FIELDS[name], str)), (name, value)
    assert datetime.fromisoformat(event["@timestamp"]).tzinfo is not None
    assert event["@timestamp"].endswith("Z")
    assert event["log.level"] in {"debug", "info", "warning", "error", "critical"}
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event["event.action"])
    assert event["ecs.version"] == ECS_VERSION
    return event


@pytest.fixture
def ecs(capsys: pytest.CaptureFixture[str]) -> Iterator[None]:
    """What is logged is written as JSON; afterwards nothing is left of that."""
    ours, everybody = logging.getLogger(logs.ROOT), logging.getLogger()
    before = (ours.level, ours.propagate, list(ours.handlers), list(everybody.handlers))
    logs.configure("DEBUG", "ecs")
    yield
    ours.level, ours.propagate, ours.handlers[:], everybody.handlers[:] = before
    logging.captureWarnings(False)


@pytest.fixture
def own_settings(sqlite_template: Path, tmp_path: Path) -> Settings:
    shutil.copy(sqlite_template, tmp_path / "test.db")
    return settings_over(f"sqlite:///{tmp_path / 'test.db'}", tmp_path)


def events_in(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """All that was written to standard error."""
    return [checked(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("ecs")
class TestEcs:
    async def test_every_line_of_a_busy_engine_is_valid_and_holds_nothing_that_was_said(
        self, own_settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        model = ScriptedModel([Say("zeugma")], [Fail(OverloadedError("too busy"))])
        settings = own_settings.model_copy(update={"job_poll_seconds": 0.05, "reply_limit_tokens": 20})
        async with ConversationEngine(settings, providers={"scripted": model}) as engine:
            conversation = await begin(engine)
            turn = await ask(engine, conversation.id, "My secret is\nxylophone")
            await answered(engine, turn)
            await answered(engine, await ask(engine, conversation.id, "xylophone"))
            await bound(engine, tokens=1)
            with pytest.raises(OverBudgetError):
                await ask(engine, conversation.id)
            await engine.jobs.drain(seconds=20)
        written = capsys.readouterr().err
        events = [checked(line) for line in written.splitlines()]
        assert "xylophone" not in written
        assert "zeugma" not in written
        recorded, failed = [event for event in events if event["event.action"] == "turn.recorded"]
        assert recorded["convo.turn_id"] == turn.id
        assert recorded["convo.conversation_id"] == conversation.id
        assert (recorded["convo.state"], recorded["log.level"]) == ("completed", "info")
        assert (failed["error.code"], failed["error.message"]) == ("model_overloaded", "too busy")
        assert {"model.call_failed", "budget.refused"} <= {event["event.action"] for event in events}

    @pytest.mark.parametrize("with_words", [False, True])
    async def test_debug_explains_a_turn_step_by_step_in_words_only_where_a_setting_allows_it(
        self, own_settings: Settings, capsys: pytest.CaptureFixture[str], with_words: bool
    ) -> None:
        settings = own_settings.model_copy(update={"log_words": with_words})
        model = ScriptedModel([Say("zeugma")])
        async with ConversationEngine(settings, providers={"scripted": model}) as engine:
            turn = await ask(engine, (await begin(engine)).id, "xylophone")
            await answered(engine, turn)
        steps = [event for event in events_in(capsys) if event.get("convo.turn_id") == turn.id]
        assert [event["event.action"] for event in steps] == [
            "turn.begun",
            "window.assembled",
            "model.called",
            "reply.heard",
            "turn.recorded",
        ]
        assert [event["log.level"] for event in steps] == ["debug"] * 4 + ["info"]
        begun, window, call, reply, _ = steps
        assert (begun["convo.model"], window["convo.messages"]) == ("scripted/test", 1)
        assert (call["convo.status"], reply["convo.characters"]) == ("completed", len("zeugma"))
        said = [event.get("convo.words", "") for event in steps]
        assert [word for word in said if word] == (["xylophone", "user: xylophone", "zeugma"] if with_words else [])

    async def test_lines_of_a_request_say_which_one_and_of_which_trace(
        self, own_settings: Settings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        app = create_app(own_settings, providers={"scripted": ScriptedModel()})
        sent = {"X-Request-ID": "request-7", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
        async with app.router.lifespan_context(app):
            del app.state.authenticate  # so that something of ours breaks
            transport = httpx2.ASGITransport(app=app)
            async with httpx2.AsyncClient(transport=transport, base_url="http://x", headers=sent) as client:
                assert (await client.get("/conversations")).status_code == 500
        [crashed] = [event for event in events_in(capsys) if event["event.action"] == "request.crashed"]
        assert (crashed["http.request.id"], crashed["trace.id"]) == ("request-7", TRACE)
        assert (crashed["http.request.method"], crashed["url.path"]) == ("GET", "/conversations")
        assert crashed["error.type"] == "AttributeError"
        assert crashed["error.stack_trace"].startswith("Traceback")

    def test_whatever_a_field_holds_it_is_one_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        odd = {"text": 'a\nb\u2028"\udcff', "float": float("nan"), "thing": object(), "nothing": None, "yes": True}
        get_logger(f"{logs.ROOT}.somewhere").warning("thing.happened", error="OSError", user_id="ada", **odd)
        [event] = events_in(capsys)
        assert (event["convo.text"], event["convo.float"]) == (odd["text"], "nan")
        assert (event["error.type"], event["user.id"], event["convo.yes"]) == ("OSError", "ada", True)
        assert "convo.nothing" not in event

    def test_what_other_libraries_say_is_an_event_too(self, capsys: pytest.CaptureFixture[str]) -> None:
        logging.getLogger("aiohttp.server").warning("Invalid HTTP request received.")
        [event] = events_in(capsys)
        assert (event["event.action"], event["message"]) == (FOREIGN, "Invalid HTTP request received.")
        assert event["log.logger"] == "aiohttp.server"


class TestText:
    def test_it_is_for_people(self, capsys: pytest.CaptureFixture[str]) -> None:
        formatter = logs.EventFormatter()
        record = logging.makeLogRecord({"msg": "turn.recorded", "levelname": "INFO", "turn_id": "7", "cause": "a b"})
        assert re.fullmatch(r"\S+ INFO    turn.recorded cause='a b' turn_id=7", formatter.format(record))


@pytest.mark.parametrize(
    "header", ["", "x", f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE}-01", "é"]
)
def test_a_trace_that_is_none_is_not_told(header: str) -> None:
    assert trace_of(header) == {}


def test_events_are_named_after_what_happened_to_what() -> None:
    """A noun, a point, and what became of it: in the source, so that none is missed that tests do not cause."""
    names = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"\b_log\.\w+\(\s*\"([^\"]*)\"", path.read_text(encoding="utf-8"))
    }
    assert len(names) > 40
    assert [name for name in names if not re.fullmatch(r"[a-z_]+\.[a-z_]+", name)] == []


class TestTheIndexTemplate:
    def test_it_has_every_field_of_the_schema_that_we_use_with_its_type_and_takes_our_own(self) -> None:
        template = json.loads((ROOT / "deploy" / "elastic" / "index-template.json").read_text())
        mappings = template["template"]["mappings"]
        assert dict(flat(mappings["properties"])) == FIELDS
        rules = [rule for named in mappings["dynamic_templates"] for rule in named.values()]
        assert {rule["path_match"] for rule in rules} == {f"{OWN}*"}
        assert {rule["match_mapping_type"] for rule in rules} == {"string", "long", "double"}

    def test_filebeat_and_logstash_send_to_what_it_is_for(self) -> None:
        template = json.loads((ROOT / "deploy" / "elastic" / "index-template.json").read_text())
        [pattern] = template["index_patterns"]
        dataset = pattern.removeprefix("logs-").removesuffix("-*")
        assert f"index: logs-{dataset}-default" in (ROOT / "deploy" / "elastic" / "filebeat.yml").read_text()
        assert f'data_stream_dataset => "{dataset}"' in (ROOT / "deploy" / "elastic" / "logstash.conf").read_text()


def flat(properties: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, field in properties.items():
        if "properties" in field:
            yield from flat(field["properties"], f"{before}{name}.")
        else:
            yield before + name, field["type"]
