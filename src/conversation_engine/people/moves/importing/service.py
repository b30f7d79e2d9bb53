"""Bringing conversations in."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import IO, Any, Final

from pydantic import TypeAdapter, ValidationError

from conversation_engine.domains.conversations.arrivals.service import ArrivalStore
from conversation_engine.domains.conversations.arrivals.types import Arrival, Arrived, ArrivingMessage
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.types import NewConversation, NewMessage, Usage
from conversation_engine.domains.feedback.service import FeedbackService
from conversation_engine.domains.feedback.types import Opinion, Place
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.infra.db.database import ConstraintViolation, Database, Tx
from conversation_engine.kernel.errors import EngineError
from conversation_engine.kernel.ids import MessageId, UserId
from conversation_engine.kernel.windows import WindowOptions
from conversation_engine.people.moves.importing.entries import CountedFile, entries_of
from conversation_engine.people.moves.importing.forms import read
from conversation_engine.people.moves.importing.tree import in_order
from conversation_engine.people.moves.importing.types import Entry, Found, Read
from conversation_engine.people.moves.importing.values import MalformedError
from conversation_engine.people.moves.schemas import FeedbackEntry
from conversation_engine.people.moves.settings import MoveSettings
from conversation_engine.people.moves.types import Problem, Report

MOST_PROBLEMS: Final = 1000
"""That are told one by one; all of them are counted."""
NO_ID: Final = MessageId("")
_SAMPLING: Final = TypeAdapter(Sampling)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    """A conversation that can be written."""

    position: str
    arrival: Arrival
    read: Mapping[str, Read]
    opinions: list[FeedbackEntry]
    problems: list[Problem]


class ImportService:
    """Takes conversations from files, each once: the same file again adds nothing, a newer one what is new in it.

    One conversation is in memory at a time, and no transaction is open while the file is read.
    """

    def __init__(
        self,
        database: Database,
        *,
        conversations: ConversationService,
        arrivals: ArrivalStore,
        feedback: FeedbackService,
        settings: MoveSettings,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._arrivals = arrivals
        self._feedback = feedback
        self._settings = settings

    async def bring_in(self, owner_id: UserId, file: IO[bytes], *, told: Callable[[int], None] | None = None) -> Report:
        """Write the conversations of a JSON file as the owner's own. `told` hears how many bytes were read.

        What cannot be taken is in the report by its position; the rest goes in. Reading is done on a thread.
        """
        report = Report()
        ready = self._ready(owner_id, CountedFile(file, told))
        while (one := await asyncio.to_thread(next, ready, None)) is not None:
            if isinstance(one, Problem):
                _add_problem(report, one)
            else:
                await self._write(owner_id, one, report)
        return report

    async def take(self, owner_id: UserId, entry: Entry, report: Report, *, is_tried_only: bool = False) -> None:
        """Write one conversation that somebody has read from elsewhere; the report goes on with it.

        Tried only: nothing is written, and what would be counts as added.
        """
        one = self._ready_from(owner_id, entry)
        if isinstance(one, Problem):
            _add_problem(report, one)
        elif is_tried_only:
            for problem in one.problems:
                _add_problem(report, problem)
            report.conversations_added += 1
            report.messages_added += len(one.read)
        else:
            await self._write(owner_id, one, report)

    def _ready(self, owner_id: UserId, file: CountedFile) -> Iterator[_Ready | Problem]:
        for entry in entries_of(file, limit_characters=self._settings.import_limit_characters):
            yield entry if isinstance(entry, Problem) else self._ready_from(owner_id, entry)

    def _ready_from(self, owner_id: UserId, entry: Entry) -> _Ready | Problem:
        try:
            return self._prepared(owner_id, read(entry))
        except MalformedError as error:
            return Problem(position=entry.position, sentence=error.sentence)
        except EngineError as error:
            return Problem(position=entry.position, sentence=error.detail)
        except RecursionError:
            return Problem(position=entry.position, sentence="It is nested too deeply.")

    def _prepared(self, owner_id: UserId, found: Found) -> _Ready:
        """Checked by the same rules as what people say here. Raises EngineError, MalformedError."""
        problems = list(found.problems)
        said: dict[str, NewMessage] = {}
        speaking = [self._checked(one, said, problems) for one in found.messages]
        messages, faults = in_order(speaking)
        arriving = [
            ArrivingMessage(
                key=one.key,
                parent_key=one.parent_key,
                said=said[one.key],
                call_id=one.call_id,
                is_pinned=one.is_pinned,
                sequence_number=one.sequence_number,
                created_at=one.created_at,
            )
            for one in messages
        ]
        arrival = self._arrival(owner_id, found, arriving)
        own = found.own
        return _Ready(
            position=found.position,
            arrival=replace(arrival, leaf_key=_leaf(found, messages)),
            read={one.key: one for one in messages},
            opinions=[] if own is None else [one for one in own.feedback if one.author_id == own.user_id],
            problems=[*problems, *faults],
        )

    def _checked(self, one: Read, said: dict[str, NewMessage], problems: list[Problem]) -> Read:
        """`one`, or silence in its place where it cannot be kept."""
        if not one.content or one.key in said:
            return one
        new = NewMessage(
            id=NO_ID,
            role=one.role,
            content=one.content,
            status=one.status,
            token_count=one.token_count,
            cost=one.cost,
            metadata=one.metadata,
        )
        try:
            said[one.key] = self._conversations.checked_message(new)
        except EngineError as error:
            problems.append(Problem(position=one.position, sentence=error.detail))
            return replace(one, content="")
        return one

    def _arrival(self, owner_id: UserId, found: Found, messages: list[ArrivingMessage]) -> Arrival:
        own = found.own
        new = NewConversation(
            owner_id=owner_id,
            title=found.title or None,
            system_prompt=found.system_prompt,
            metadata=_metadata(found),
        )
        if own is None:
            return Arrival(
                origin=f"{found.source}:{found.key}",
                known_as=None,
                new=self._conversations.checked_conversation(new),
                messages=messages,
                status=found.status,
                created_at=found.created_at,
                updated_at=found.updated_at,
            )
        new = replace(
            new,
            type=own.conversation_type,
            model=own.model,
            on_busy=own.on_busy,
            sampling=_sampling(own.sampling),
            window=WindowOptions.from_json(own.window),
        )
        return Arrival(
            origin=f"{found.source}:{found.key}",
            known_as=found.key,
            new=self._conversations.checked_conversation(new),
            messages=messages,
            status=own.status,
            usage=Usage(input_tokens=own.input_tokens, output_tokens=own.output_tokens, cost=own.total_cost),
            created_at=own.created_at,
            updated_at=own.updated_at,
            last_message_at=own.last_message_at,
            ended_at=own.ended_at,
        )

    async def _write(self, owner_id: UserId, ready: _Ready, report: Report) -> None:
        for problem in ready.problems:
            _add_problem(report, problem)
        try:
            arrived = await self._arrivals.take_in(owner_id, ready.arrival)
        except ConstraintViolation:  # the same arrived at the same time: now it is there
            arrived = await self._arrivals.take_in(owner_id, ready.arrival)
        added = [ready.read[key] for key in arrived.added]
        report.conversations_added += arrived.is_new
        report.conversations_extended += bool(added) and not arrived.is_new
        report.conversations_known += not added and not arrived.is_new
        report.messages_added += len(added)
        report.attachments += sum(one.attachments for one in added)
        report.tool_messages += sum(one.is_tool for one in added)
        if ready.opinions:
            await self._restore(arrived, ready, report)

    async def _restore(self, arrived: Arrived, ready: _Ready, report: Report) -> None:
        """The owner's own opinions; nobody else's, as files may say what they like."""

        def work(tx: Tx) -> int:
            return sum(self._opinion(tx, arrived, one) for one in ready.opinions)

        try:
            report.opinions_added += await self._database.write(work)
        except EngineError as error:
            _add_problem(report, Problem(position=f"{ready.position}.feedback", sentence=error.detail))

    def _opinion(self, tx: Tx, arrived: Arrived, one: FeedbackEntry) -> bool:
        if one.message_id is not None and one.message_id not in arrived.ids:
            return False
        place = Place(
            conversation_id=arrived.conversation_id,
            message_id=arrived.ids[one.message_id] if one.message_id is not None else None,
            owner_id=arrived.owner_id,
            supervisor_id=None,
        )
        opinion = Opinion(
            verdict=one.verdict, rating=one.rating, helped=one.helped, hindered=one.hindered, tags=tuple(one.tags)
        )
        times = (one.created_at, one.updated_at)
        return self._feedback.restore(tx, place, arrived.owner_id, opinion, times=times)


def _metadata(found: Found) -> Mapping[str, Any]:
    if found.own is not None:
        return found.metadata
    noted = {"from": found.source, "id": found.key, **found.metadata.get("imported", {})}
    return {**found.metadata, "imported": noted}


def _sampling(value: Mapping[str, Any] | None) -> Sampling | None:
    try:
        return None if value is None else _SAMPLING.validate_python(value)
    except ValidationError as error:
        raise MalformedError("`sampling` has values that it cannot have.") from error


def _leaf(found: Found, messages: list[Read]) -> str | None:
    """Where the active path ends: at what the file names, or the nearest above it that says something."""
    kept = {one.key for one in messages}
    parents = {one.key: one.parent_key for one in found.messages}
    seen: set[str] = set()
    at = found.leaf_key
    while at is not None and at not in kept and at not in seen:
        seen.add(at)
        at = parents.get(at)
    return at if at in kept else None


def _add_problem(report: Report, problem: Problem) -> None:
    report.problem_count += 1
    report.lost_count += problem.is_lost
    if len(report.problems) < MOST_PROBLEMS:
        report.problems.append(problem)
