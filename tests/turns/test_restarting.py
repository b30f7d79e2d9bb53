"""A turn whose process died, with `recovery="retry"`: the model is asked once more."""

from datetime import timedelta

from conversation_engine.infra.ids import new_id
from conversation_engine.testing import Say, ScriptedModel
from conversation_engine.turns.repo import Lease, TurnRepo
from conversation_engine.turns.types import ReplyDelta, TurnEvent, TurnRestarted, TurnState
from tests.conftest import OpenEngine
from tests.turns.conftest import OpenStale
from tests.turns.scenes import ADA, ToldModel, Watcher, answered, ask, begin


class TestResume:
    async def test_who_goes_on_from_the_first_attempt_is_given_all_of_the_second(
        self, open_stale: OpenStale, open_engine: OpenEngine
    ) -> None:
        first = ToldModel()
        stale = await open_stale(first)
        turn = await ask(stale, (await begin(stale)).id)
        first.say("what was heard")
        await Watcher(stale, turn).has_seen("what was heard")
        engine = await open_engine(ScriptedModel([Say("quite another reply")]), recovery="retry", sweep_seconds=0.05)
        detail = await answered(engine, turn)
        assert (detail.turn.state, detail.turn.attempt) == (TurnState.COMPLETED, 2)

        heard: list[TurnEvent] = [event async for event in engine.turns.follow(detail.turn, after=8)]
        assert isinstance(heard[1], TurnRestarted)
        text = "".join(event.text for event in heard if isinstance(event, ReplyDelta))
        assert text == "quite another reply"


class TestFence:
    async def test_a_claim_that_has_run_out_does_not_wake_a_turn_that_somebody_else_ended(
        self, open_engine: OpenEngine
    ) -> None:
        """As after a pause of the process between its claim and the restart."""
        engine = await open_engine(ScriptedModel([Say("done")]), recovery="retry")
        turn = await ask(engine, (await begin(engine)).id)
        ended = await answered(engine, turn)
        late = Lease(holder=new_id(), expires_at=engine.clock.now() + timedelta(seconds=30))
        recovery = engine.turns._runner._recovery
        assert await engine.database.write(lambda tx: recovery._restart(tx, turn, None, lease=late)) is None
        assert await engine.turns.get(turn.conversation_id, turn.id, owner_id=ADA) == ended
        assert await engine.database.read(lambda tx: TurnRepo().find_running(tx, turn.conversation_id)) is None
