"""Lets messages that leave the window be found by their words: in the background, many at a time."""

from contextlib import suppress
from typing import Final

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.jobs.service import JobQueue
from conversation_engine.infra.jobs.types import Job, NewJob
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.ids import ConversationId, UserId
from conversation_engine.kernel.windows import RecallScope
from conversation_engine.turns.run import TurnRun

JOB_KIND: Final = "words"
_log = get_logger(__name__)


class WordLearner:
    """Notices that messages have left the window, and has them learned: a handler of background jobs."""

    def __init__(
        self, database: Database, *, conversations: ConversationService, words: WordService, jobs: JobQueue
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._words = words
        self._jobs = jobs

    async def consider(self, run: TurnRun) -> None:
        """After a turn: have learned what its window left out. At most one short transaction; never raises.

        Where the owner's other conversations look in here (`RecallScope.USER`), all that was said.
        """
        window, conversation = run.window, run.conversation
        if window is None or window.recall_scope is None:
            return
        dropped = window.manifest["dropped"]
        is_wide = window.recall_scope is RecallScope.USER
        through = window.manifest["sent"]["last"] if is_wide else dropped["last"] if dropped else 0
        if through <= conversation.words_through:
            return
        payload = {"owner_id": run.turn.owner_id, "through": through}
        job = NewJob(kind=JOB_KIND, key=conversation.id, payload=payload)
        try:
            await self._database.write(lambda tx: self._jobs.enqueue(tx, job))
            self._jobs.wake()
        except Exception as error:  # noqa: BLE001 - the turn has ended well, whatever becomes of this
            _log.warning("words.not_asked_for", turn_id=run.turn.id, error=type(error).__name__)

    async def __call__(self, job: Job) -> None:
        """Learn them, a few hundred a transaction."""
        with suppress(ConversationNotFoundError):  # deleted meanwhile
            while not await self._database.write(lambda tx: self._learn(tx, job)):
                pass

    async def give_up(self, job: Job, error_code: str) -> None:
        """Nothing is recalled there; the next turn asks again."""
        _log.warning("words.given_up", conversation_id=job.key, error=error_code)

    def _learn(self, tx: Tx, job: Job) -> bool:
        owner_id = UserId(job.payload["owner_id"])
        conversation = self._conversations.hold(tx, ConversationId(job.key), owner_id=owner_id)
        return self._words.learn(tx, conversation, through=int(job.payload["through"]))
