"""Every query of the write path."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from itertools import chain, repeat
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Row,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)

from conversation_engine.domains.context.manifests import packed, unpacked
from conversation_engine.domains.llm.types import Sampling
from conversation_engine.domains.retrieval.types import RetrievalOptions
from conversation_engine.infra.db.database import Tx
from conversation_engine.infra.db.prepared import Prepared
from conversation_engine.kernel.ids import ConversationId, TurnId, UserId
from conversation_engine.kernel.paging import Cursor
from conversation_engine.kernel.people import Role
from conversation_engine.kernel.windows import WindowOptions
from conversation_engine.turns.models import ReplyCheckpointModel, TurnModel
from conversation_engine.turns.types import Lease, QueuedMessage, Turn, TurnError, TurnState

_turns = TurnModel.__table__
_checkpoints = ReplyCheckpointModel.__table__


def _is(state: TurnState, turns: FromClause = _turns) -> ColumnElement[bool]:
    """Written out, not bound: the partial indexes are by state.

    SQLite plans a statement anew whenever a value is bound that an index's condition asks for (0.4 ms a turn), and
    PostgreSQL's plan for any value cannot use the index at all.
    """
    return turns.c.state == literal_column(f"'{state.value}'")


_in_line = _turns.alias("in_line")
_NEXT_IN_LINE = (
    select(_in_line.c.id)
    .where(_in_line.c.conversation_id == bindparam("of"), _is(TurnState.QUEUED, _in_line))
    .order_by(_in_line.c.id)
    .limit(1)
    .scalar_subquery()
)
_INSERT_TURN = insert(_turns)
_INSERT_AND_LOOK = Prepared(insert(_turns).returning(_NEXT_IN_LINE))
_INSERT_CHECKPOINT = Prepared(insert(_checkpoints))
_DELETE_CHECKPOINTS = Prepared(delete(_checkpoints).where(_checkpoints.c.turn_id == bindparam("turn")))
_OF_REPLY = and_(_checkpoints.c.turn_id == bindparam("turn"), _checkpoints.c.attempt == bindparam("attempt"))
_CHECKPOINTS_AFTER = (
    select(_checkpoints.c.start_offset, _checkpoints.c.text)
    .where(
        _OF_REPLY,
        _checkpoints.c.start_offset
        >= select(func.coalesce(func.max(_checkpoints.c.start_offset), 0))
        .where(_OF_REPLY, _checkpoints.c.start_offset <= bindparam("offset"))
        .scalar_subquery(),
    )
    .order_by(_checkpoints.c.start_offset)
)
"""The piece that holds an offset, and those after it: two range scans of the primary key."""
_FINISH = Prepared(
    update(_turns)
    .where(
        _turns.c.id == bindparam("turn_id"),
        _is(TurnState.RUNNING),
        _turns.c.lease_owner == bindparam("holder"),
        _turns.c.attempt == bindparam("of_attempt"),
    )
    .values(
        state=bindparam("then"),
        manifest=bindparam("shown", type_=_turns.c.manifest.type),
        error_code=bindparam("code"),
        error_detail=bindparam("detail"),
        finished_at=bindparam("at", type_=_turns.c.finished_at.type),
        lease_owner=None,
        lease_expires_at=None,
    )
    .returning(_turns.c.id, _NEXT_IN_LINE)
)
"""Fenced: changes nothing when the lease is somebody else's, the turn has ended, or its reply was begun anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A piece of a running reply."""

    turn_id: TurnId
    attempt: int
    start_offset: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A turn was ended."""

    has_successor: bool
    """Whether another waits in line in its conversation."""


class TurnRepo:
    """Rows of `turns` and `reply_checkpoints`."""

    def insert(self, tx: Tx, turn: Turn, *, lease: Lease) -> bool:
        """Write a running turn; whether others wait in line for its conversation.

        Raises ConstraintViolation when its conversation has a running turn already.
        """
        row = _row(turn) | {
            "lease_owner": lease.holder,
            "lease_expires_at": lease.expires_at,
            "of": turn.conversation_id,
        }
        return _INSERT_AND_LOOK.first(tx, row)[0] is not None

    def insert_queued(self, tx: Tx, turn: Turn, message: QueuedMessage | None) -> None:
        """Write a turn that waits in line."""
        said = None if message is None else asdict(message)
        tx.execute(_INSERT_TURN, _row(turn) | {"queued_message": said})

    def count_queued(self, tx: Tx, conversation_id: ConversationId) -> int:
        """How many wait in line."""
        waiting = (_turns.c.conversation_id == conversation_id, _is(TurnState.QUEUED))
        return tx.scalar(select(func.count()).where(*waiting)) or 0

    def next_queued(self, tx: Tx, conversation_id: ConversationId) -> tuple[Turn, QueuedMessage | None] | None:
        """Who is next in line and what it will say; nobody else can start or cancel it before `tx` ends.

        `None` too while somebody else is at it.
        """
        query = (
            select(*_turns.c)
            .where(_turns.c.conversation_id == conversation_id, _is(TurnState.QUEUED))
            .order_by(_turns.c.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = tx.execute(query).first()
        if row is None:
            return None
        said = row.queued_message
        return _turn(row), None if said is None else QueuedMessage(**said)

    def conversations_in_line(self, tx: Tx, *, count: int) -> Sequence[ConversationId]:
        """Conversations in which somebody waits although nothing runs."""
        running = _turns.alias("running")
        runs = select(running.c.id).where(
            running.c.conversation_id == _turns.c.conversation_id, _is(TurnState.RUNNING, running)
        )
        query = select(_turns.c.conversation_id).where(_is(TurnState.QUEUED), ~runs.exists())
        return list(tx.scalars(query.distinct().limit(count)))

    def start(self, tx: Tx, turn: Turn, *, lease: Lease) -> None:
        """Let a queued or recovered turn run. Raises ConstraintViolation when another one runs."""
        values = {
            "state": TurnState.RUNNING.value,
            "attempt": turn.attempt,
            "user_message_id": turn.user_message_id,
            "lease_owner": lease.holder,
            "lease_expires_at": lease.expires_at,
            "queued_message": None,
        }
        tx.execute(update(_turns).where(_turns.c.id == turn.id).values(**values))

    def begin_attempt(self, tx: Tx, turn: Turn) -> None:
        """The reply of a running turn, held in `tx`, begins anew."""
        tx.execute(update(_turns).where(_turns.c.id == turn.id).values(attempt=turn.attempt))

    def end_queued(self, tx: Tx, turn: Turn) -> bool:
        """Write the final state of a turn that never ran; false when it is not in line any more."""
        values = {
            "state": turn.state.value,
            "error_code": turn.error.code if turn.error else None,
            "error_detail": turn.error.detail if turn.error else None,
            "finished_at": turn.finished_at,
        }
        in_line = (_turns.c.id == turn.id, _is(TurnState.QUEUED))
        return tx.execute(update(_turns).where(*in_line).values(**values)).rowcount == 1

    def request_stop(self, tx: Tx, turn_id: TurnId, state: TurnState) -> str | None:
        """Ask whoever runs the turn to end it as `state`, and say who that is. The first request counts."""
        wanted = (_turns.c.id == turn_id, _is(TurnState.RUNNING), _turns.c.stop_requested.is_(None))
        ask = update(_turns).where(*wanted).values(stop_requested=state.value).returning(_turns.c.lease_owner)
        holder: str | None = tx.scalar(ask)
        return holder

    def stop_requests(self, tx: Tx, turn_ids: Sequence[TurnId]) -> dict[TurnId, TurnState]:
        """Which of these, at least one, are to end, and how."""
        values = _places(turn_ids)
        return {turn_id: TurnState(state) for turn_id, state in _stop_requests(len(values)).all(tx, values)}

    def finish(self, tx: Tx, turn: Turn, *, holder: str, manifest: dict[str, Any] | None) -> Finished | None:
        """Write the final state of `turn`; `None` when it is no longer `holder`'s to finish."""
        row = _FINISH.first(
            tx,
            {
                "turn_id": turn.id,
                "of": turn.conversation_id,
                "holder": holder,
                "of_attempt": turn.attempt,
                "then": turn.state.value,
                "shown": manifest and packed(manifest),
                "code": turn.error.code if turn.error else None,
                "detail": turn.error.detail if turn.error else None,
                "at": turn.finished_at,
            },
        )
        return None if row is None else Finished(has_successor=row[1] is not None)

    def find(self, tx: Tx, turn_id: TurnId) -> Turn | None:
        """The turn, whosever it is."""
        row = tx.execute(select(*_turns.c).where(_turns.c.id == turn_id)).first()
        return None if row is None else _turn(row)

    def delete(self, tx: Tx, turn_id: TurnId) -> None:
        """Take a turn that has ended off the record; what was said in it stays."""
        tx.execute(delete(_turns).where(_turns.c.id == turn_id))

    def existing(self, tx: Tx, turn_ids: Sequence[TurnId]) -> frozenset[TurnId]:
        """Which of these there still are, in whatever state."""
        return frozenset(tx.scalars(select(_turns.c.id).where(_turns.c.id.in_(turn_ids))))

    def list_of(
        self, tx: Tx, conversation_id: ConversationId, *, state: TurnState | None, cursor: Cursor | None, count: int
    ) -> list[Turn]:
        """Newest first (ids grow with time), from `cursor` in its direction."""
        query = select(*_turns.c).where(_turns.c.conversation_id == conversation_id)
        if state is not None:
            query = query.where(_turns.c.state == state.value)
        is_backward = cursor is not None and cursor.is_backward
        if cursor is not None:
            [at] = cursor.key
            query = query.where(_turns.c.id > at if is_backward else _turns.c.id < at)
        query = query.order_by(_turns.c.id if is_backward else _turns.c.id.desc()).limit(count)
        return [_turn(row) for row in tx.execute(query)]

    def list_live(self, tx: Tx, *, count: int, owner_id: UserId | None = None) -> list[Turn]:
        """Turns that run or wait, oldest first (`None`: everybody's): the two partial indexes hold them all."""
        live = _turns.c.state.in_((TurnState.RUNNING.value, TurnState.QUEUED.value))
        query = (
            select(*_turns.c).where(live)
            if owner_id is None
            else select(*_turns.c).where(live, _turns.c.owner_id == owner_id)
        )
        return [_turn(row) for row in tx.execute(query.order_by(_turns.c.id).limit(count))]

    def count_live(self, tx: Tx) -> Mapping[str, int]:
        """How many run and how many wait: one of the two partial indexes each."""
        return {
            state.value: tx.scalar(select(func.count()).select_from(_turns).where(_is(state))) or 0
            for state in (TurnState.RUNNING, TurnState.QUEUED)
        }

    def find_manifest(self, tx: Tx, turn_id: TurnId) -> dict[str, Any] | None:
        """What the model was shown, once the turn has ended."""
        manifest: dict[str, Any] | None = tx.scalar(select(_turns.c.manifest).where(_turns.c.id == turn_id))
        return manifest and unpacked(manifest)

    def find_running(self, tx: Tx, conversation_id: ConversationId) -> Turn | None:
        """The conversation's running turn; a database constraint allows one at most."""
        query = select(*_turns.c).where(_turns.c.conversation_id == conversation_id, _is(TurnState.RUNNING))
        row = tx.execute(query).first()
        return None if row is None else _turn(row)

    def extend_leases(self, tx: Tx, turn_ids: Sequence[TurnId], *, lease: Lease) -> None:
        """A sign of life for these turns, as far as they are still the holder's."""
        tx.execute(
            update(_turns)
            .where(
                _turns.c.id.in_(turn_ids),
                _is(TurnState.RUNNING),
                _turns.c.lease_owner == lease.holder,
            )
            .values(lease_expires_at=lease.expires_at)
        )

    def claim_expired(
        self, tx: Tx, *, now: datetime, lease: Lease, but: Sequence[TurnId], count: int
    ) -> Sequence[Turn]:
        """Take over turns whose holder gave no sign of life; rows that another process is claiming are passed over."""
        expired = and_(
            _is(TurnState.RUNNING),
            _turns.c.lease_expires_at < now,
            _turns.c.id.not_in(but),
        )
        rows = tx.execute(
            select(*_turns.c)
            .where(expired)
            .order_by(_turns.c.lease_expires_at)
            .limit(count)
            .with_for_update(skip_locked=True)
        ).all()
        if rows:
            tx.execute(
                update(_turns)
                .where(_turns.c.id.in_([row.id for row in rows]))
                .values(lease_owner=lease.holder, lease_expires_at=lease.expires_at)
            )
        return [_turn(row) for row in rows]

    def hold(self, tx: Tx, attempts: Mapping[TurnId, int], *, holder: str) -> frozenset[TurnId]:
        """Which of these are running, the holder's and at this attempt; nobody can claim or end those before `tx` ends.

        An earlier attempt may still be at it in the process that holds the next: a sweep can restart what it has just
        admitted, where that took longer than a lease.
        """
        values = _places(list(attempts))
        rows = _hold(len(values)).all(tx, {**values, "holder": holder})
        return frozenset(turn_id for turn_id, attempt in rows if attempts[turn_id] == attempt)

    def insert_checkpoints(self, tx: Tx, checkpoints: Sequence[Checkpoint]) -> None:
        """Write pieces of running replies, of any number of turns, in one statement."""
        _INSERT_CHECKPOINT.run_each(
            tx,
            [
                {"turn_id": c.turn_id, "attempt": c.attempt, "start_offset": c.start_offset, "text": c.text}
                for c in checkpoints
            ],
        )

    def checkpointed_text(self, tx: Tx, turn_id: TurnId, *, attempt: int) -> str:
        """What is durable of a reply that is not recorded yet."""
        query = (
            select(_checkpoints.c.text)
            .where(_checkpoints.c.turn_id == turn_id, _checkpoints.c.attempt == attempt)
            .order_by(_checkpoints.c.start_offset)
        )
        return "".join(tx.scalars(query))

    def checkpointed_after(self, tx: Tx, turn_id: TurnId, *, attempt: int, offset: int) -> str:
        """What is durable of such a reply beyond `offset` code points. O(what it returns)."""
        pieces = tx.execute(_CHECKPOINTS_AFTER, {"turn": turn_id, "attempt": attempt, "offset": offset}).all()
        skipped = offset - pieces[0].start_offset if pieces else 0
        return "".join(piece.text for piece in pieces)[skipped:]

    def checkpointed_length(self, tx: Tx, turn_id: TurnId, *, attempt: int) -> int:
        """How many code points of a reply are durable."""
        query = select(func.coalesce(func.max(_checkpoints.c.start_offset + func.length(_checkpoints.c.text)), 0))
        length: int = tx.execute(
            query.where(_checkpoints.c.turn_id == turn_id, _checkpoints.c.attempt == attempt)
        ).scalar_one()
        return length

    def delete_checkpoints(self, tx: Tx, turn_id: TurnId) -> None:
        """The reply is a message now: its pieces are not needed any more."""
        _DELETE_CHECKPOINTS.run(tx, {"turn": turn_id})


def _places(turn_ids: Sequence[TurnId]) -> dict[str, TurnId]:
    """Values for `_is_one_of`: the last is repeated up to a power of two, so that there are few statements of each."""
    count = 1 << (len(turn_ids) - 1).bit_length()
    padded = chain(turn_ids, repeat(turn_ids[-1], count - len(turn_ids)))
    return {f"turn_{place}": turn_id for place, turn_id in enumerate(padded)}


def _is_one_of(count: int) -> ColumnElement[bool]:
    return _turns.c.id.in_([bindparam(f"turn_{place}", type_=_turns.c.id.type) for place in range(count)])


@lru_cache
def _stop_requests(count: int) -> Prepared:
    return Prepared(
        select(_turns.c.id, _turns.c.stop_requested).where(_is_one_of(count), _turns.c.stop_requested.is_not(None))
    )


@lru_cache
def _hold(count: int) -> Prepared:
    return Prepared(
        select(_turns.c.id, _turns.c.attempt)
        .where(
            _is_one_of(count),
            _is(TurnState.RUNNING),
            _turns.c.lease_owner == bindparam("holder"),
        )
        .with_for_update(read=True)
    )


def _row(turn: Turn) -> dict[str, Any]:
    return {
        "id": turn.id,
        "conversation_id": turn.conversation_id,
        "owner_id": turn.owner_id,
        "role": turn.role and turn.role.value,
        "state": turn.state.value,
        "attempt": turn.attempt,
        "model": turn.model,
        "system_prompt": turn.system_prompt,
        "parameters": turn.sampling.as_json(),
        "window": turn.window.as_json(),
        "reply_metadata": turn.reply_metadata,
        "retrieval": turn.retrieval and turn.retrieval.as_json(),
        "user_message_id": turn.user_message_id,
        "reply_message_id": turn.reply_message_id,
        "created_at": turn.created_at,
    }


def _turn(row: Row[Any]) -> Turn:
    return Turn(
        id=row.id,
        conversation_id=row.conversation_id,
        owner_id=row.owner_id,
        role=row.role and Role(row.role),
        state=TurnState(row.state),
        attempt=row.attempt,
        model=row.model,
        system_prompt=row.system_prompt,
        sampling=Sampling.from_json(row.parameters),
        window=WindowOptions.from_json(row.window),
        reply_metadata=row.reply_metadata,
        retrieval=RetrievalOptions.from_json(row.retrieval) if row.retrieval else None,
        user_message_id=row.user_message_id,
        reply_message_id=row.reply_message_id,
        error=None if row.error_code is None else TurnError(code=row.error_code, detail=row.error_detail),
        created_at=row.created_at,
        finished_at=row.finished_at,
    )
