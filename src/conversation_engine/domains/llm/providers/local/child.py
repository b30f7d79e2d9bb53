"""The process that holds the small model: llama.cpp's OpenAI server, living only as long as its parent.

    python child.py --model FILE --context-tokens N --slots N --threads N

It takes its API key from the environment, answers one JSON line on stdout (`{"port": 12345}` when it can
serve, `{"error": "…"}` when it never will) and leaves when stdin ends. The supervisor runs this file by its
path, so that starting it does not import the engine: keep it free of imports from `conversation_engine`.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any, NoReturn, TextIO
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, build_opener

# In the environment, not in argv: every user of the machine can read a process's argv.
API_KEY_VARIABLE = "CONVERSATION_ENGINE_LOCAL_MODEL_KEY"

_ERRORS_ONLY = 1  # llama.cpp's verbosity. At 2 its warnings quote what people wrote.
# Prefixes of conversations that lost their slot, kept in RAM. At 22.5 KiB a token (SmolLM2-135M) it holds
# 11,000 tokens. llama.cpp's own default is 8 GiB.
_PROMPT_CACHE_MIB = 256
_HEALTH_TIMEOUT_SECONDS = 5.0
_PARENT_CHECK_SECONDS = 1.0


def main() -> NoReturn:
    """Serve until the parent is gone."""
    parent_pid = os.getppid()
    options = _parse_options()
    # Ctrl-C reaches the whole process group; when this process stops is its parent's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    report = _take_stdout()
    # The load holds the GIL (xllamacpp 2026.10), so a parent that dies meanwhile is noticed right after it.
    threading.Thread(target=_exit_when_stdin_ends, daemon=True).start()
    try:
        server = _serve(options, api_key=os.environ.pop(API_KEY_VARIABLE))
        _check_health(server.listening_address)
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        _answer(report, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    _answer(report, {"port": urlsplit(server.listening_address).port})
    _wait_for_orphanhood(parent_pid)
    # Not sys.exit: llama.cpp's destructors would first finish what nobody is left to read.
    os._exit(0)


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Serve one GGUF model on loopback.")
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--context-tokens", type=int, required=True, help="shared evenly by the slots")
    parser.add_argument("--slots", type=int, required=True, help="requests decoded at the same time")
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    if not os.environ.get(API_KEY_VARIABLE):
        parser.error(f"set {API_KEY_VARIABLE}: the port would be open to every user of this machine")
    return options


def _take_stdout() -> TextIO:
    """The pipe to the parent, for us alone: from here on whatever llama.cpp prints goes to stderr."""
    report = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return report


def _answer(report: TextIO, body: dict[str, Any]) -> None:
    with report:
        report.write(json.dumps(body) + "\n")


def _exit_when_stdin_ends() -> None:
    # The kernel closes the parent's end however the parent dies, SIGKILL included.
    while os.read(0, 4096):
        pass
    os._exit(0)


def _wait_for_orphanhood(parent_pid: int) -> None:
    # A second sign beside stdin: a fork of the parent (multiprocessing) inherits the pipe and holds it open.
    while os.getppid() == parent_pid:
        time.sleep(_PARENT_CHECK_SECONDS)


def _serve(options: argparse.Namespace, *, api_key: str) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(options.model)
    params.model_alias = {options.model.stem}  # Or answers name the file's full path.
    params.hostnames = ["127.0.0.1"]
    params.port = 0  # The kernel picks a free one; the server reports which.
    params.api_keys = [api_key]
    params.n_ctx = options.context_tokens
    params.n_parallel = options.slots
    params.fit_params = False  # Fitting into free memory doubles the load time (0.5 → 1.0 s).
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads = options.threads
    params.cache_prompt = True
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    # Only completions: no web page, and no endpoint that shows what the slots are working on.
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = _ERRORS_ONLY
    return xllamacpp.Server(params)


def _check_health(address: str) -> None:
    # Without a proxy, whatever HTTP_PROXY says: the address is on this machine.
    direct = build_opener(ProxyHandler({}))
    with direct.open(f"{address}/health", timeout=_HEALTH_TIMEOUT_SECONDS) as response:
        body = json.load(response)
    if body.get("status") != "ok":
        raise RuntimeError(f"llama.cpp says it is not healthy: {body}")


if __name__ == "__main__":
    main()
