"""`convo`: its commands, and what happens when one fails."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from conversation_engine.entrypoints.cli import (
    chat,
    cost,
    database,
    doctor,
    documents,
    erase,
    evaluate,
    jobs,
    limits,
    migrate,
    moves,
    people,
    search,
    serve,
    share,
    stats,
    tokens,
    warehouse,
    worker,
)
from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import EngineError, Kind

app = typer.Typer(
    name="convo",
    help="Conversations with language models: durable, streamed, counted, resumable.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("chat")(chat.chat)
app.command("cost")(cost.cost)
app.add_typer(stats.app, name="stats")
app.add_typer(share.app, name="share")
app.command("search")(search.search)
app.command("models")(doctor.models)
app.command("doctor")(doctor.doctor)
app.command("export")(moves.export)
app.command("import")(moves.import_)
app.command("token")(tokens.token)
app.command("limits")(limits.limits)
app.add_typer(limits.app, name="budgets")
app.command("link")(people.link)
app.add_typer(people.app, name="user")
app.add_typer(evaluate.app, name="eval")
app.add_typer(documents.app, name="documents")
app.add_typer(database.app, name="db")
app.add_typer(erase.app, name="erase")
app.add_typer(jobs.app, name="jobs")
app.add_typer(migrate.app, name="migrate")
app.add_typer(warehouse.app, name="warehouse")


def _print_version(is_wanted: bool) -> None:
    if is_wanted:
        from importlib.metadata import version

        print(version("conversation-engine"))
        raise typer.Exit


@app.callback()
def _convo(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Conversations with language models: durable, streamed, counted, resumable."""


def run(command: Callable[[], object] = app) -> None:
    """Run `convo`, or one of its processes.

    A failure is a red sentence on stderr and the exit code of its kind; never a traceback.

    `CE_LOG_LEVEL=DEBUG` brings the traceback of what nobody expected.
    """
    try:
        command()
    except EngineError as error:
        _leave(error.detail, error.kind)
    except Exception as error:
        if os.environ.get("CE_LOG_LEVEL", "").upper() == "DEBUG":
            raise
        _leave(_sentence(error), Kind.UNAVAILABLE if isinstance(error, OSError) else Kind.INTERNAL)


def _sentence(error: Exception) -> str:
    """What broke, on the operator's own terminal: the first line says enough, the rest is for a debugger."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first}. Run it again with CE_LOG_LEVEL=DEBUG to see where it came from."


def _leave(sentence: str, kind: Kind) -> None:
    typer.secho(sentence, fg="red", err=True)
    sys.exit(EXIT_CODES[kind])
