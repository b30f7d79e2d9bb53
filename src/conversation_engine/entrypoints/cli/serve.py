"""`convo serve`: the HTTP API."""

import os
import shlex
import shutil
import socket
import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from conversation_engine.domains.users.errors import SecretRequiredError
from conversation_engine.entrypoints.cli.configuration import load_settings, set_in_environment
from conversation_engine.entrypoints.cli.errors import CannotListenError

if TYPE_CHECKING:
    from conversation_engine.engine.settings import Settings

LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, never listened on by itself


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (CE_HOST, 127.0.0.1).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on (CE_PORT, 8000); 0: any free one.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes that share the port (CE_WORKERS, 1). See docs/operations.md.")
    ] = None,
    opens_page: Annotated[
        bool | None,
        typer.Option(
            "--open/--no-open",
            help="Open the web page, signed in; unset: on this machine, where a person at a desktop starts it.",
        ),
    ] = None,
) -> None:
    """Serve the HTTP API until Ctrl-C. Beyond loopback CE_SECRET must be set."""
    set_in_environment("CE_HOST", host)
    set_in_environment("CE_PORT", port)
    set_in_environment("CE_WORKERS", workers)
    settings = load_settings()
    if settings.host not in LOOPBACK_HOSTS and not settings.secret:
        raise SecretRequiredError(settings.host)
    with _listening(settings.host, settings.port) as listener:
        if settings.log_format == "text":  # else a machine reads what is written there
            _print_directions(settings, port=listener.getsockname()[1])
        if _is_at_a_desktop() if opens_page is None else opens_page:
            _open_page(settings, port=listener.getsockname()[1])
        _serve(settings, listener)


def _listening(host: str, port: int) -> socket.socket:
    """A bound socket. Bound here rather than by uvicorn, so that a taken port is known before anything is loaded."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # Python adds the address to an errno's own words; name resolution's numbers are negative and not errnos.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise CannotListenError(host, port, str(reason).lower()) from error


def _serve(settings: "Settings", listener: socket.socket) -> None:
    if settings.workers > 1:
        from conversation_engine.entrypoints.cli.workers import keep_workers

        status = keep_workers(settings, listener)
    else:
        from conversation_engine.entrypoints.cli.serving import serve_until_stopped

        status = serve_until_stopped(settings, listener)
    if status:
        raise typer.Exit(status)


def _print_directions(settings: "Settings", *, port: int) -> None:
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    base_url = _base_url(settings.host, port)
    token = _token_command(settings)
    console.print(f"Conversation Engine is starting at [bold]{base_url}[/bold]. Ctrl-C stops it.\n")
    for name, value in (
        ("Web page", _web_page(settings, base_url)),
        ("API pages", f"{base_url}/docs"),
        ("Sign in", f"{token}  (prints a bearer token; run it in this folder)"),
        ("Data", _data_place(settings)),
        ("Model", _model(settings)),
        *([("Workers", f"{settings.workers} processes on one port")] if settings.workers > 1 else []),
    ):
        console.print(f"  [dim]{name:<10}[/dim]", end="")
        console.print(value, markup=False, soft_wrap=True)
    console.print("\n[dim]A first streamed turn, to paste into another terminal:[/dim]\n")
    console.print(_example(base_url, token), markup=False, soft_wrap=True)


def _web_page(settings: "Settings", base_url: str) -> str:
    """Where to go in a browser: on this machine a link that signs in, once; beyond it the front door."""
    from conversation_engine.entrypoints.ui.mount import is_installed

    if not is_installed():
        return "not installed: pip install 'conversation-engine[ui]'"
    if settings.host not in LOOPBACK_HOSTS:
        return f"{base_url}/ui/  (sign in with an account, or by a link of `convo link`)"
    from conversation_engine.entrypoints.cli.people import LOCAL, link_for

    link = link_for(settings, LOCAL, url=f"{base_url}/ui/enter")
    return f"{link}\n             (signs you in, once; another one: convo link)"


def _is_at_a_desktop() -> bool:
    has_windows = sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
    return has_windows and sys.stderr.isatty()


def _open_page(settings: "Settings", *, port: int) -> None:
    """By a link of its own: the printed one works once, too. The browser waits at the socket until a worker answers.

    It is handed a file that only its owner reads and that leads on: everybody on a machine sees what programs are
    started with, and whoever is first is signed in.
    """
    from conversation_engine.entrypoints.ui.mount import is_installed

    if settings.host not in LOOPBACK_HOSTS or not is_installed():
        return
    import html
    import webbrowser

    from conversation_engine.entrypoints.cli.people import LOCAL, link_for

    link = link_for(settings, LOCAL, url=f"{_base_url(settings.host, port)}/ui/enter")
    page = settings.data_dir.absolute() / "enter.html"
    page.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    page.unlink(missing_ok=True)
    page.touch(mode=0o600)
    page.write_text(f'<meta http-equiv="refresh" content="0;url={html.escape(link)}">')
    webbrowser.open(page.as_uri())


def _base_url(host: str, port: int) -> str:
    reachable = _EVERYWHERE.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _data_place(settings: "Settings") -> str:
    if settings.database_url is None:
        return str((settings.data_dir / "conversations.db").absolute())
    from conversation_engine.infra.db.opening import open_database

    return open_database(settings.resolved_database_url, settings).url


def _model(settings: "Settings") -> str:
    if settings.default_model != "local":
        return settings.default_model
    own = ", one for each worker" if settings.workers > 1 else ""
    return f"local (on this machine, no key needed{own})"


def _token_command(settings: "Settings") -> str:
    """How another terminal gets a token that this server accepts."""
    convo = "convo" if shutil.which("convo") else shlex.quote(os.path.relpath(sys.argv[0]))
    if settings.secret:
        return f"CE_SECRET=… {convo} token"
    if "data_dir" in settings.model_fields_set:
        return f"CE_DATA_DIR={shlex.quote(str(settings.data_dir.absolute()))} {convo} token"
    return f"{convo} token"


def _example(base_url: str, token_command: str) -> str:
    return f"""\
TOKEN=$({token_command})
ID=$(curl -s {base_url}/conversations -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{{}}' | python3 -c 'import json, sys; print(json.load(sys.stdin)["id"])')
curl -N {base_url}/conversations/$ID/turns -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -H 'Accept: text/event-stream' -d '{{"content": "Hello!"}}'
"""
