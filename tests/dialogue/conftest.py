"""An engine with a scripted model, and services over it."""

import pytest

from conversation_engine import ConversationEngine, ConversationEngineService
from conversation_engine.testing import ScriptedModel
from tests.conftest import OpenEngine


@pytest.fixture
def model() -> ScriptedModel:
    """Echoes the newest message unless told otherwise; reports no usage."""
    return ScriptedModel()


@pytest.fixture
async def engine(open_engine: OpenEngine, model: ScriptedModel) -> ConversationEngine:
    """A started engine, on each kind of database in turn."""
    return await open_engine(model)


@pytest.fixture
def service(engine: ConversationEngine) -> ConversationEngineService:
    """Bound to Ada."""
    return ConversationEngineService(engine, user_id="ada")
