"""Writes the reference pages from the code, or with --check says which are stale."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
NOTE = "<!-- Made from the code by `make docs`: edit that instead. -->\n"


def settings_page() -> str:
    """Every `CE_…` variable."""
    from conversation_engine.engine.settings import SETTINGS_PREFIX, Settings

    rows = []
    for name, field in sorted(Settings.model_fields.items()):
        default = field.get_default(call_default_factory=True)
        shown = "" if default in (None, "", [], {}) else f"`{default}`"
        rows.append(f"| `{SETTINGS_PREFIX}{name.upper()}` | {shown} | {field.description} |")
    return _table("Settings", "Environment variables; unset means the default.", "variable | default | meaning", rows)


def errors_page() -> str:
    """Every error code."""
    import conversation_engine.dialogue.service
    import conversation_engine.entrypoints.cli.main
    import conversation_engine.entrypoints.http.app  # noqa: F401 - together they register every error
    from conversation_engine.infra.web.problems import STATUS_BY_KIND
    from conversation_engine.kernel.errors import EngineError

    rows = sorted(
        f"| `{error.code}` | {error.kind} | {STATUS_BY_KIND[error.kind]} | {(error.__doc__ or '').splitlines()[0]} |"
        for error in _subclasses(EngineError)
        if error.__module__.startswith("conversation_engine.")
    )
    lead = "Problem details carry `code`; it never changes its meaning."
    return _table("Errors", lead, "code | kind | HTTP status | meaning", rows)


def metrics_page() -> str:
    """Every metric."""
    from conversation_engine.infra.observability.catalogue import CATALOGUE
    from conversation_engine.infra.observability.recording import Counter, Label

    def told(label: Label) -> str:
        values = ", ".join(f"`{value}`" for value in label.values or ())
        return f"`{label.name}`: " + "; ".join(part for part in (values, label.meaning) if part)

    rows = []
    for metric in sorted(CATALOGUE, key=lambda metric: metric.name):
        name = f"{metric.name}_total" if isinstance(metric, Counter) else metric.name
        kind = {"Reading": "gauge, read from the database"}.get(type(metric).__name__, type(metric).__name__.lower())
        rows.append(f"| `{name}` | {kind} | {metric.help} | {'<br>'.join(map(told, metric.labels))} |")
    lead = (
        "What `/metrics` tells; [operations.md](../operations.md#metrics) says how to read it. Every label has a "
        "bounded set of values, and what is none of them is `other`."
    )
    return _table("Metrics", lead, "metric | type | meaning | labels", rows)


def tables_page() -> str:
    """Every table and column."""
    from conversation_engine.engine.metadata import schema

    pages = ["# Tables\n", NOTE]
    for table in sorted(schema().tables.values(), key=lambda table: table.name):
        pages.append(f"\n## `{table.name}`\n\n| column | type | null | points to |\n|---|---|---|---|\n")
        for column in table.columns:
            target = ", ".join(f"`{key.target_fullname}`" for key in column.foreign_keys)
            kind = type(column.type).__name__
            pages.append(f"| `{column.name}` | {kind} | {'yes' if column.nullable else 'no'} | {target} |\n")
    return "".join(pages)


def cli_page() -> str:
    """Every command, as `--help` tells it."""
    import typer.main
    from typer.testing import CliRunner

    from conversation_engine.entrypoints.cli.main import app

    runner = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"})

    def pages(command: object, path: list[str]) -> Iterator[str]:
        told = runner.invoke(app, [*path, "--help"], prog_name="convo").output
        lines = "\n".join(line.rstrip() for line in told.strip().splitlines())
        yield f"\n## `{' '.join(['convo', *path])}`\n\n```text\n{lines}\n```\n"
        for name, child in sorted(getattr(command, "commands", {}).items()):
            yield from pages(child, [*path, name])

    return "# Commands\n" + NOTE + "".join(pages(typer.main.get_command(app), []))


def openapi_document() -> str:
    """The HTTP API."""
    from pydantic import SecretStr

    from conversation_engine.engine.settings import Settings
    from conversation_engine.entrypoints.http.app import create_app

    settings = Settings(secret=SecretStr("only to describe the routes, never used"))
    return json.dumps(create_app(settings).openapi(), indent=2, ensure_ascii=False) + "\n"


def export_schema() -> str:
    """The JSON form of conversations."""
    from conversation_engine.people.moves.schemas import ConversationFile

    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConversationFile.model_json_schema()}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def clients_page() -> str:
    """Which clients work, at what, and the tests that show it."""
    from client_table import page  # beside this script

    lead = "Unmodified, told an address and a token and nothing else; the versions are those that the tests run with."
    return f"# Clients\n{NOTE}\n{lead}\n\n{page()}"


def rest_page() -> str:
    """Every route, in short; the whole is openapi.json."""
    by_tag: dict[str, list[str]] = {}
    for path, operations in json.loads(openapi_document())["paths"].items():
        for method, operation in operations.items():
            first = operation["description"].split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
            by_tag.setdefault(operation["tags"][0], []).append(f"| `{method.upper()}` | `{path}` | {first} |")
    lead = (
        "The whole of it, with every field, refusal, event and example, is [openapi.json](openapi.json); a running "
        "server shows it at `/docs`. Refusals: [errors](errors.md)."
    )
    tables = [
        f"\n## {tag}\n\n| method | path | what it does |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        for tag, rows in by_tag.items()
    ]
    return f"# REST\n{NOTE}\n{lead}\n" + "".join(tables)


PAGES: dict[str, Callable[[], str]] = {
    "clients.md": clients_page,
    "commands.md": cli_page,
    "settings.md": settings_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "tables.md": tables_page,
    "openapi.json": openapi_document,
    "rest.md": rest_page,
    "export.schema.json": export_schema,
}


def main() -> int:
    """Write or check every page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is stale")
    is_check = parser.parse_args().check
    stale = []
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        path, text = REFERENCE / name, make()
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not is_check:
            path.write_text(text)
            print(f"wrote docs/reference/{name}")
    if is_check and stale:
        print(f"stale: {', '.join(stale)}. Run `make docs` and commit the result.")
        return 1
    return 0


def _table(title: str, lead: str, columns: str, rows: list[str]) -> str:
    rule = "|".join("---" for _ in columns.split("|"))
    return f"# {title}\n{NOTE}\n{lead}\n\n| {columns} |\n|{rule}|\n" + "\n".join(rows) + "\n"


def _subclasses(kind: type) -> Iterator[type]:
    for child in kind.__subclasses__():
        yield child
        yield from _subclasses(child)


if __name__ == "__main__":
    sys.exit(main())
