"""`convo eval`: does a client stay who it is?"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from conversation_engine.entrypoints.cli.configuration import load_settings
from conversation_engine.entrypoints.cli.errors import BadProfileError

if TYPE_CHECKING:
    from conversation_engine.domains.llm.types import LLMMessage, Sampling
    from conversation_engine.domains.personas.quality.checker import Speak
    from conversation_engine.domains.personas.quality.types import Report
    from conversation_engine.domains.personas.types import ClientProfile
    from conversation_engine.engine.checkup import Installation
    from conversation_engine.infra.db.database import Tx

PURPOSE: Final = "persona_check"
"""What a call of these says that it was for, among its parameters."""
app = typer.Typer(help="Quality checks.", no_args_is_help=True)


@app.callback()
def _evaluate() -> None:
    """Quality checks."""


@app.command("persona")
def persona(
    profile: Annotated[Path, typer.Argument(help="A profile as JSON, as `POST /personas` takes it.")],
    *,
    model: Annotated[str | None, typer.Option(help="Who plays it; the profile's model, or the default.")] = None,
    judge: Annotated[str | None, typer.Option(help="A model that judges, beside the rules.")] = None,
    only: Annotated[str, typer.Option(help="Only conversations with this in their name, such as `danger`.")] = "",
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("persona-report.html"),
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 when something failed.")] = False,
) -> None:
    """Talk with a client through scripted conversations, and write what came of it as a page.

    Costs a dozen calls, on the local user's record.
    """
    import asyncio

    from conversation_engine.domains.personas.quality.page import page_of
    from conversation_engine.domains.personas.quality.types import Verdict

    report = asyncio.run(_checked(_read(profile), model, judge, only=only))
    out.write_text(page_of(report), encoding="utf-8")
    counts = ", ".join(f"{report.count(verdict)} {verdict}" for verdict in Verdict)
    broken = sum(talk.error is not None for talk in report.conversations)
    print(f"{report.profile.name}, played by {report.model}: {counts}, {broken} broken off. {out}")
    if strict and (broken or report.count(Verdict.FAILED)):
        sys.exit(1)


def _read(path: Path) -> "ClientProfile":
    from pydantic import ValidationError

    from conversation_engine.domains.personas.schemas import ProfileFields

    try:
        return ProfileFields.model_validate(json.loads(path.read_text(encoding="utf-8"))).profile()
    except (OSError, ValueError, ValidationError) as error:
        reason = "cannot be read" if isinstance(error, OSError) else "is no profile as `POST /personas` takes it"
        raise BadProfileError(str(path), reason) from error


async def _checked(profile: "ClientProfile", model: str | None, judge: str | None, *, only: str) -> "Report":
    from conversation_engine.domains.llm.types import Sampling
    from conversation_engine.domains.personas.prompts.library import PromptLibrary
    from conversation_engine.domains.personas.quality.checker import PersonaChecker
    from conversation_engine.engine.checkup import installation
    from conversation_engine.engine.migrating import prepare
    from conversation_engine.infra.db.opening import backend_of

    async with installation(load_settings()) as place:
        # what cannot be put on record is not spent
        is_embedded = backend_of(place.settings.resolved_database_url) == "sqlite"
        await prepare(place.database, is_embedded=is_embedded)
        player = place.llm.card(model or profile.model).name
        checker = PersonaChecker(
            PromptLibrary(place.settings.prompts_dir),
            speak=_speaker(place, player, profile.sampling),
            model=player,
            judge=_speaker(place, judge, Sampling(temperature=0)) if judge else None,
            judge_name=place.llm.card(judge).name if judge else "rules",
        )
        return await checker.check(profile, only=only)


def _speaker(place: "Installation", model: str, sampling: "Sampling") -> "Speak":
    async def speak(messages: "Sequence[LLMMessage]") -> str:
        return await _ask(place, model, messages, sampling)

    return speak


async def _ask(place: "Installation", model: str, messages: "Sequence[LLMMessage]", sampling: "Sampling") -> str:
    """One call, on the local user's record also where it is broken off; nothing of what is said is stored."""
    import asyncio
    from dataclasses import replace

    from conversation_engine.domains.llm.service import ModelCall
    from conversation_engine.domains.llm.tokens import count_tokens
    from conversation_engine.domains.llm.types import NO_CONVERSATION
    from conversation_engine.engine.checkup import OPERATOR
    from conversation_engine.infra.ids import new_id
    from conversation_engine.kernel.ids import TurnId

    llm = place.llm
    card = llm.card(model)
    said: list[str] = []
    call = ModelCall(
        conversation_id=NO_CONVERSATION,
        owner_id=OPERATOR,
        turn_id=TurnId(new_id()),
        attempt=1,
        card=card,
        messages=messages,
        sampling=replace(sampling, reply_limit_tokens=llm.reply_limit_tokens(card, sampling)),
        input_tokens=sum(count_tokens(message.text) for message in messages),
    )
    answer = await llm.answer(call, on_text=said.append)
    noted = [replace(one, parameters={**one.parameters, "purpose": PURPOSE}) for one in answer.attempts]

    def record(tx: "Tx") -> None:
        for attempt in noted:
            llm.record(tx, attempt)

    await place.database.write(record)
    if answer.was_stopped:
        raise asyncio.CancelledError
    if answer.error is not None:
        raise answer.error
    return "".join(said)
