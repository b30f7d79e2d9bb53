"""Lets messages that leave the window be found by their words: after a turn, many at a time."""

from conversation_engine.domains.conversations.errors import ConversationNotFoundError
from conversation_engine.domains.conversations.service import ConversationService
from conversation_engine.domains.conversations.words.service import WordService
from conversation_engine.infra.db.database import Database, Tx
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.windows import RecallScope
from conversation_engine.turns.run import TurnRun

_log = get_logger(__name__)


class WordLearner:
    """Notices that messages have left the window, and learns their words.

    No job of its own: whatever is missed, because the store or the process went away, the next turn notices again.
    """

    def __init__(self, database: Database, *, conversations: ConversationService, words: WordService) -> None:
        self._database = database
        self._conversations = conversations
        self._words = words

    async def consider(self, run: TurnRun) -> None:
        """After a turn: learn what its window left out, a thousand messages a transaction; never raises.

        Where the owner's other conversations look in here (`RecallScope.USER`), all that was said.
        """
        through = _through(run)
        if through <= run.conversation.words_through:
            return
        try:
            while not await self._database.write(lambda tx: self._learn(tx, run, through)):
                pass
        except ConversationNotFoundError:  # deleted meanwhile
            pass
        except Exception as error:  # noqa: BLE001 - the turn has ended well, whatever becomes of this
            _log.warning("words.not_learned", conversation_id=run.conversation.id, error=type(error).__name__)

    def _learn(self, tx: Tx, run: TurnRun, through: int) -> bool:
        conversation = self._conversations.hold(tx, run.conversation.id, owner_id=run.turn.owner_id)
        return self._words.learn(tx, conversation, through=through)


def _through(run: TurnRun) -> int:
    """The last message whose words are wanted; 0 where none are."""
    window = run.window
    if window is None or window.recall_scope is None:
        return 0
    if window.recall_scope is RecallScope.USER:
        return int(window.manifest["sent"]["last"])
    dropped = window.manifest["dropped"]
    return int(dropped["last"]) if dropped else 0
