"""The settings that docs/models.md shows for each service, sent to a stub in its place."""

import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from conversation_engine.engine.settings import Settings
from conversation_engine.engine.wiring import make_catalog, make_llm
from conversation_engine.kernel.clock import SystemClock
from conversation_engine.kernel.ids import UserId
from tests.llm.stub import OPEN_STREAM, anthropic_events, openai_events, running_stub

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
BEARER = "authorization: bearer key"


@pytest.fixture
def documented(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """As whoever copies the page's block has them; what is left out there (`…`) is `KEY`."""
    [block] = re.findall(r"```sh\n(export CE_PROVIDERS.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines():
        for pair in shlex.split(line.replace("…", "KEY"), comments=True)[1:]:
            monkeypatch.setenv(*pair.split("=", 1))
    return Settings()


def test_the_page_shows_each_kind_of_service(documented: Settings) -> None:
    assert set(documented.providers) == {"vllm", "hf", "azure", "oldazure", "cortex", "gateway"}
    assert documented.default_model == "vllm/Qwen/Qwen3-8B"
    assert documented.fallback_models == ["hf/meta-llama/Llama-3.3-70B-Instruct", "local"]


@pytest.mark.parametrize(
    ("name", "path", "headers", "limit"),
    [
        ("vllm", "/v1/chat/completions", [], "max_tokens"),
        ("hf", "/v1/chat/completions", ["authorization: bearer hf_key"], "max_tokens"),
        ("azure", "/openai/v1/chat/completions", ["api-key: key"], "max_tokens"),
        (
            "oldazure",
            "/openai/deployments/deployment/chat/completions?api-version=2024-10-21",
            ["api-key: key"],
            "max_tokens",
        ),
        (
            "cortex",
            "/api/v2/cortex/v1/chat/completions",
            [BEARER, "x-snowflake-authorization-token-type: programmatic_access_token"],
            "max_completion_tokens",
        ),
        ("gateway", "/v1/messages", ["x-api-key: key", "anthropic-version: 2023-06-01"], "max_tokens"),
    ],
)
async def test_each_is_asked_as_it_wants_to_be(
    documented: Settings, name: str, path: str, *, headers: list[str], limit: str
) -> None:
    setting = documented.providers[name]
    async with running_stub() as stub:
        stub.plan = [OPEN_STREAM, *(anthropic_events if setting.kind == "anthropic" else openai_events)("OK")]
        here = setting.model_copy(update={"base_url": stub.base_url + urlsplit(setting.base_url).path})
        catalog = make_catalog(documented.model_copy(update={"providers": {name: here}}), {})
        try:
            llm = make_llm(Settings(model="local", fallback_models=[]), catalog, SystemClock())
            check = await llm.check(llm.check_call(f"{name}/m", owner_id=UserId("root")))
        finally:
            await catalog.aclose()
        assert check.is_ok, check
        [head] = stub.headers
        assert head.startswith(f"post {path} http/1.1")
        assert all(f"\n{header}\r" in head or f"\n{header}\n" in head for header in headers), head
        assert [one for one in ("authorization", "api-key", "x-api-key") if f"\n{one}: " in head] == [
            header.partition(":")[0] for header in headers if "key" in header.partition(":")[2]
        ]
        assert limit in stub.requests[0]
