"""What a model is about to be shown: what documents say, and a window beside it."""

from dataclasses import replace

from conversation_engine.domains.context.types import Window
from conversation_engine.turns.evidence import with_evidence
from conversation_engine.turns.metering import TurnMeter
from conversation_engine.turns.run import TurnRun
from conversation_engine.turns.steps.assemble import AssembleStep
from conversation_engine.turns.steps.retrieve import RetrieveStep


class Briefing:
    """retrieve → assemble: for whoever runs a turn, and for whoever has to know what its lost process had asked."""

    def __init__(self, *, retrieve: RetrieveStep, assemble: AssembleStep, meter: TurnMeter) -> None:
        self._meter = meter
        self._retrieve = retrieve
        self._assemble = assemble

    async def __call__(self, run: TurnRun) -> Window | None:
        """Fills in `run.evidence` and `run.window`. `None` where no model is to be asked: the documents say nothing.

        Raises what the steps raise.
        """
        run.evidence = await self._retrieve(run)
        if run.evidence is not None and run.evidence.is_absent:
            return None
        return await self.assembled(run)

    async def assembled(self, run: TurnRun) -> Window:
        """The window alone; a second time, a smaller one. What was looked up has a room of its own beside it."""
        with self._meter.step("turn.assemble"):
            return await self._assembled(run)

    async def _assembled(self, run: TurnRun) -> Window:
        evidence, card = run.evidence, run.card
        if evidence is None:
            run.window = await self._assemble(run)
            return run.window
        run.card = replace(card, context_tokens=card.context_tokens - evidence.tokens)
        try:
            run.window = with_evidence(await self._assemble(run), evidence)
        finally:
            run.card = card
        return run.window
