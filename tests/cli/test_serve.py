import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import Kind
from tests.cli.scenes import CONVO, ENDS_WITHIN_SECONDS, PATIENCE_SECONDS, Convo


@contextmanager
def _served(convo: Convo, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port that answers, and its address."""
    command = [CONVO, "serve", "--port", "0", *options]
    with subprocess.Popen(command, env=convo.environment, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            address = re.search(r"http://[0-9.:]+[0-9]", server.stderr.readline())
            assert address is not None
            _wait_for(f"{address[0]}/openapi.json")
            yield server, address[0]
        finally:
            server.kill()


def _wait_for(url: str) -> None:
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < give_up_at:
        try:
            urllib.request.urlopen(url, timeout=PATIENCE_SECONDS).close()
            return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError(f"{url} never answered")


class TestServe:
    def test_it_refuses_to_be_reached_by_others_without_a_secret(self, convo: Convo) -> None:
        ended = convo("serve", "--host", "0.0.0.0", "--port", "0")
        assert ended.returncode == EXIT_CODES[Kind.INVALID]
        assert "CE_SECRET" in ended.stderr

    def test_a_taken_port_is_a_sentence(self, convo: Convo) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            ended = convo("serve", "--port", port)
        assert ended.returncode == EXIT_CODES[Kind.UNAVAILABLE]
        assert ended.stderr.startswith(f"Cannot listen on 127.0.0.1:{port}: address already in use.")

    def test_an_unknown_host_is_a_sentence(self, convo: Convo) -> None:
        secured = Convo(data_dir=convo.data_dir, settings={"CE_SECRET": "x" * 32})
        ended = secured("serve", "--host", "no-such-host.invalid")
        assert ended.returncode == EXIT_CODES[Kind.UNAVAILABLE]
        assert "Traceback" not in ended.stderr

    @pytest.mark.slow
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_it_answers_until_it_is_asked_to_stop_and_ends_well(
        self, quick_convo: Convo, number: signal.Signals, tmp_path: Path
    ) -> None:
        browser, visited = tmp_path / "browser", tmp_path / "visited"
        browser.write_text(f'#!/bin/sh\necho "$1" > {visited}\n')
        browser.chmod(0o700)
        at_a_desk = replace(quick_convo, settings={**quick_convo.settings, "BROWSER": str(browser)})
        with _served(at_a_desk, "--open") as (server, address):
            page = Path(visited.read_text().strip().removeprefix("file://"))
            assert page.stat().st_mode & 0o077 == 0
            place, _, code = page.read_text().partition("url=")[2].rstrip('">').partition("?code=")
            assert place == f"{address}/ui/enter"
            signed_in = httpx2.post(f"{address}/auth/link", json={"code": code}, trust_env=False)
            assert signed_in.status_code == 200
            asked_at = time.monotonic()
            server.send_signal(number)
            assert server.wait(PATIENCE_SECONDS) == 0
            assert time.monotonic() - asked_at < ENDS_WITHIN_SECONDS

    @pytest.mark.slow
    def test_what_it_prints_to_paste_into_another_terminal_works(self, quick_convo: Convo) -> None:
        with _served(quick_convo) as (server, _address):
            assert server.stderr is not None
            example = ""
            while "curl -N" not in example or not example.endswith("'\n"):
                line = server.stderr.readline()
                assert line, "the example never came"
                example += line if example or line.startswith("TOKEN=") else ""
            ended = subprocess.run(
                ["bash", "-ec", example], env=quick_convo.environment, capture_output=True, text=True, check=True
            )
        assert "event: turn.completed" in ended.stdout
