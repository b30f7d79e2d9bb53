"""`convo models` and `convo doctor`: what there is to talk to, and whether it answers."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.exit_codes import EXIT_CODES
from conversation_engine.kernel.errors import Kind

if TYPE_CHECKING:
    from conversation_engine.domains.llm.schemas import ModelOut
    from conversation_engine.engine.checkup import Finding

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_HEAD = ("MODEL", "CONTEXT", "REPLY", "$/M IN", "$/M OUT", "CAN", "NOW")


def models(as_json: JsonFlag = False) -> None:
    """List the models: what they hold, can do and cost, and which can be asked now. Asks none of them."""
    import asyncio

    found = asyncio.run(_listed())
    if as_json:
        print(json.dumps([model.model_dump(mode="json") for model in found], indent=2))
        return
    rows = [_HEAD, *map(_row, found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def doctor(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MODEL]...", help="Ask these only, such as openai/gpt-5-mini.", show_default=False),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Look whether everything is there and answers, and say precisely what is wrong: costs a word of each model."""
    import asyncio

    found = asyncio.run(_looked(names or [], is_told=not as_json))
    if as_json:
        print(json.dumps([{"what": f.what, "ok": f.is_well, "detail": f.sentence} for f in found], indent=2))
    if not all(finding.is_well for finding in found):
        sys.exit(EXIT_CODES[Kind.UNAVAILABLE])


async def _listed() -> "Sequence[ModelOut]":
    from conversation_engine.domains.llm.schemas import ModelOut
    from conversation_engine.engine.checkup import installation

    async with installation(load_settings()) as place:
        return [ModelOut.of(listing) for listing in await place.llm.models()]


async def _looked(names: Sequence[str], *, is_told: bool) -> "Sequence[Finding]":
    from conversation_engine.engine.checkup import checks_of, installation

    found = []
    async with installation(load_settings()) as place:
        for check in await checks_of(place, models=names):
            for finding in await check():
                found.append(finding)
                if is_told:
                    _tell(finding)
    return found


def _tell(finding: "Finding") -> None:
    mark = "ok  " if finding.is_well else "FAIL"
    typer.secho(f"{mark}  {finding.what}: {finding.sentence}", fg=None if finding.is_well else "red")


def _row(model: "ModelOut") -> tuple[str, ...]:
    price = model.price
    now = "yes" if model.is_usable else str(model.unusable_reason)
    rank = [f"fallback {model.fallback_rank}"] if model.fallback_rank else []
    marks = [*(["default"] if model.is_default else []), *rank]
    return (
        model.id,
        _number(model.context_tokens),
        _number(model.output_limit_tokens),
        _number(price and price.input),
        _number(price and price.output),
        ",".join(model.capabilities or ["?" if model.capabilities is None else "-"]),
        ", ".join([now, *marks]),
    )


def _number(value: object) -> str:
    return "?" if value is None else f"{value}"
