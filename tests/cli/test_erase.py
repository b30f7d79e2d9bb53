import asyncio
import json
from pathlib import Path

from conversation_engine.domains.conversations.types import NewConversation
from conversation_engine.engine.engine import ConversationEngine
from conversation_engine.kernel.ids import UserId
from conversation_engine.testing import ScriptedModel
from tests.cli.scenes import Convo
from tests.conftest import settings_over

MARKER = "Zanzibarian xylophones quarrel"


async def talk(path: Path) -> None:
    engine = ConversationEngine(
        settings_over(f"sqlite:///{path}", path.parent), providers={"scripted": ScriptedModel()}
    )
    await engine.conversations.create(NewConversation(owner_id=UserId("ada"), title=MARKER))
    await engine.aclose()


class TestErase:
    def test_what_is_old_goes_with_a_receipt_and_leaves_no_byte(self, convo: Convo) -> None:
        path = convo.data_dir / "conversations.db"
        asyncio.run(talk(path))
        assert MARKER.encode() in path.read_bytes()
        done = convo("erase", "old", "--days", "0", "--yes")
        assert done.returncode == 0, done.stderr
        first, _, receipt = done.stdout.partition("\n")
        assert first == "1 conversations erased."
        assert json.loads(receipt) == {"conversations": 1}
        assert MARKER.encode() not in b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
