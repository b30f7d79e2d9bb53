"""Writing arrivals down, once."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any, Final

from conversation_engine.domains.conversations.arrivals.naming import canonical, id_of
from conversation_engine.domains.conversations.arrivals.repo import ArrivalRepo
from conversation_engine.domains.conversations.arrivals.types import Arrival, Arrived, ArrivingMessage, Place
from conversation_engine.domains.conversations.repo import ConversationRepo
from conversation_engine.domains.conversations.types import BEGINNING, Conversation, MessageStatus
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.kernel.clock import Clock
from conversation_engine.kernel.ids import ConversationId, MessageId, UserId

HIGHEST_NUMBER: Final = 2**31
"""Sequence numbers are below it."""
BATCH: Final = 500
"""Messages of one transaction, so that nobody else waits for long; ids of one query."""


class ArrivalStore:
    """Takes in conversations that were held elsewhere. Nothing in them is answered, and nobody is billed for them."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._repo = ArrivalRepo()
        self._conversations = ConversationRepo()

    async def take_in(self, owner_id: UserId, arrival: Arrival) -> Arrived:
        """Write what is not there yet: the conversation, or the messages that were said in it since it last came.

        A transaction for every 500 messages; when it is broken off, the next try goes on. In a session with a client
        nothing is added. Raises ConstraintViolation where the same arrives twice at once.
        """

        def begin(tx: Tx) -> Place:
            place = self._place(tx, owner_id, arrival)
            self._put(tx, owner_id=owner_id, arrival=arrival, place=place, start=0)
            return place

        place = await self._database.write(begin)
        for start in range(BATCH, len(place.missing), BATCH):
            await self._database.write(partial(self._put, owner_id=owner_id, arrival=arrival, place=place, start=start))
        return Arrived(
            conversation_id=place.conversation_id,
            owner_id=owner_id,
            is_new=place.is_new,
            added=[one.key for one in place.missing],
            ids=place.ids,
        )

    def _place(self, tx: Tx, owner_id: UserId, arrival: Arrival) -> Place:
        """Find it, or begin it: under the id that it had if that is free, else under one that is derived from it."""
        derived_id = ConversationId(id_of(owner_id, arrival.origin, at=arrival.created_at))
        home_id, ids, found = derived_id, None, None
        if (given := _given_ids(arrival)) is not None:
            known = self._conversations.find_and_hold(tx, given[0])
            homes = set(self._homes(tx, given[1].values()).values())
            if known is not None and known.owner_id == owner_id:
                home_id, found = known.id, known
                ids = given[1] if homes <= {known.id} else None
            elif known is None and not homes:
                found = self._conversations.find_and_hold(tx, derived_id)
                home_id, ids = (derived_id, None) if found else given
        if found is None and home_id == derived_id:
            found = self._conversations.find_and_hold(tx, derived_id)
        ids = ids or {one.key: MessageId(id_of(home_id, one.key, at=arrival.created_at)) for one in arrival.messages}
        if found is None:
            self._begin(tx, home_id, arrival)
        return Place(
            conversation_id=home_id,
            is_new=found is None,
            ids=ids,
            missing=arrival.messages if found is None else self._missing(tx, found, arrival, ids),
            calls=self._calls(tx, owner_id, arrival, home_id),
            times=_times(arrival, self._clock.now()),
            keeps_numbers=found is None and _are_numbered(arrival.messages),
        )

    def _calls(self, tx: Tx, owner_id: UserId, arrival: Arrival, conversation_id: ConversationId) -> frozenset[str]:
        if not any(one.call_id for one in arrival.messages):
            return frozenset()
        return self._repo.calls_of(tx, conversation_id, owner_id)

    def _homes(self, tx: Tx, message_ids: Iterable[MessageId]) -> dict[MessageId, ConversationId]:
        homes: dict[MessageId, ConversationId] = {}
        for batch in _batches([*message_ids]):
            homes |= self._repo.homes_of(tx, batch)
        return homes

    def _missing(
        self, tx: Tx, found: Conversation, arrival: Arrival, ids: dict[str, MessageId]
    ) -> Sequence[ArrivingMessage]:
        if found.persona_id is not None:
            return ()
        there = self._homes(tx, ids.values())
        return [one for one in arrival.messages if ids[one.key] not in there]

    def _begin(self, tx: Tx, conversation_id: ConversationId, arrival: Arrival) -> None:
        now = self._clock.now()
        self._conversations.insert(tx, conversation_id, arrival.new, at=arrival.created_at or now)
        values = {
            "status": arrival.status.value,
            "input_tokens": arrival.usage.input_tokens,
            "output_tokens": arrival.usage.output_tokens,
            "cost": arrival.usage.cost,
            "updated_at": arrival.updated_at or arrival.created_at or now,
            "last_message_at": arrival.last_message_at,
            "ended_at": arrival.ended_at,
        }
        self._repo.update(tx, conversation_id, values)

    def _put(self, tx: Tx, *, owner_id: UserId, arrival: Arrival, place: Place, start: int) -> None:
        """Write the next batch behind what is there, and where the active path ends once all are there."""
        batch = place.missing[start : start + BATCH]
        if not batch:
            return
        home = self._conversations.find_and_hold(tx, place.conversation_id)
        if home is None:  # deleted between two batches
            return
        rows = [
            _row(one, place, owner_id, sequence_number=(one.sequence_number or 0) if place.keeps_numbers else number)
            for number, one in enumerate(batch, start=home.last_sequence + 1)
        ]
        self._repo.insert_messages(tx, rows)
        is_last = start + BATCH >= len(place.missing)
        leaf_id = _leaf(arrival, place, home) if is_last else home.active_leaf_id
        before = place.ids[place.missing[start - 1].key] if start else home.active_leaf_id
        is_branched = home.is_branched or _is_branched(rows, before) or (is_last and leaf_id != rows[-1]["id"])
        values = {
            "message_count": home.message_count + len(rows),
            "last_sequence": rows[-1]["sequence_number"],
            "active_leaf_id": leaf_id,
            "is_branched": is_branched,
            "has_pins": home.has_pins or any(row["is_pinned"] for row in rows),
            "last_message_at": max([*filter(None, [home.last_message_at]), *(row["created_at"] for row in rows)]),
        }
        self._repo.update(tx, home.id, values)


def _given_ids(arrival: Arrival) -> tuple[ConversationId, dict[str, MessageId]] | None:
    """The ids that it has where it comes from, if all of them are ids of ours."""
    own_id = canonical(arrival.known_as)
    ids = {one.key: canonical(one.key) for one in arrival.messages}
    if own_id is None or len(set(ids.values()) | {BEGINNING, None}) != len(ids) + 2:
        return None
    return ConversationId(own_id), {key: MessageId(known) for key, known in ids.items() if known is not None}


def _times(arrival: Arrival, now: datetime) -> dict[str, datetime]:
    """When each message was said; where nobody knows, with what it follows."""
    times: dict[str, datetime] = {}
    began = arrival.created_at or now
    for one in arrival.messages:
        times[one.key] = one.created_at or times.get(one.parent_key or "", began)
    return times


def _are_numbered(messages: Sequence[ArrivingMessage]) -> bool:
    """Whether they have sequence numbers that can be kept."""
    numbers = [one.sequence_number or 0 for one in messages]
    grows = all(before < after for before, after in pairwise([0, *numbers]))
    return grows and (not numbers or numbers[-1] < HIGHEST_NUMBER)


def _is_branched(rows: Sequence[dict[str, Any]], before: MessageId | None) -> bool:
    """Whether a message follows another one than that which was written before it."""
    return any(
        row["parent_id"] != last for row, last in zip(rows, [before, *(row["id"] for row in rows)], strict=False)
    )


def _leaf(arrival: Arrival, place: Place, home: Conversation) -> MessageId | None:
    """Where the arrival's path ends, unless people have gone on elsewhere since it last came."""
    if home.active_leaf_id is not None and home.active_leaf_id not in place.ids.values():
        return home.active_leaf_id
    last = place.ids[arrival.messages[-1].key]
    return place.ids.get(arrival.leaf_key or "", last)


def _row(one: ArrivingMessage, place: Place, owner_id: UserId, *, sequence_number: int) -> dict[str, Any]:
    said = one.said
    is_text = isinstance(said.content, str)
    is_fallback = said.status is MessageStatus.FALLBACK
    return {
        "id": place.ids[one.key],
        "conversation_id": place.conversation_id,
        "owner_id": owner_id,
        "turn_id": None,
        "parent_id": None if one.parent_key is None else place.ids[one.parent_key],
        "llm_request_id": one.call_id if one.call_id in place.calls else None,
        "sequence_number": sequence_number,
        "role": said.role.value,
        "content": said.content if is_text else json.dumps(said.content, ensure_ascii=False, separators=(",", ":")),
        "content_format": "text" if is_text else "json",
        "status": (MessageStatus.COMPLETE if is_fallback else said.status).value,
        "is_fallback": is_fallback,
        "is_pinned": one.is_pinned,
        "token_count": said.token_count,
        "counted_tokens": said.counted_tokens,
        "cost": said.cost,
        "metadata": dict(said.metadata),
        "created_at": place.times[one.key],
    }


def _batches(ids: Sequence[MessageId]) -> Iterator[Sequence[MessageId]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
