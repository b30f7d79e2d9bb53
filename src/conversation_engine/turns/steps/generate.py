"""The model's answer, as it is said."""

import asyncio
from dataclasses import replace

from conversation_engine.domains.llm.service import LlmService, ModelCall
from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.turns.reply_log import ReplyLog
from conversation_engine.turns.run import TurnRun


class GenerateStep:
    """Calls the model and lets the reply grow."""

    def __init__(self, *, llm: LlmService, reply_log: ReplyLog) -> None:
        self._llm = llm
        self._reply_log = reply_log

    async def __call__(self, run: TurnRun) -> None:
        """One model call. What went wrong stands in `run.error`, what was said in `run.live`."""
        if run.stop_as is not None:
            return
        live, reply_log = run.live, self._reply_log

        def hear(text: str) -> None:
            live.append(text)
            reply_log.note(live)

        run.generation = asyncio.create_task(self._llm.answer(self._call(run), on_text=hear))
        await asyncio.wait([run.generation])
        if run.generation.cancelled():  # stopped before it had begun: no call was made
            return
        answer = run.generation.result()
        run.answers.append(answer)
        run.error = answer.error

    def _call(self, run: TurnRun) -> ModelCall:
        window = run.window
        if window is None:
            raise AssertionError("a window is assembled before the model is called")
        room = run.card.context_tokens - window.input_tokens
        limit = min(self._llm.reply_limit_tokens(run.card, run.turn.sampling), room)
        return ModelCall(
            conversation_id=run.turn.conversation_id,
            owner_id=run.turn.owner_id,
            turn_id=run.turn.id,
            attempt=run.turn.attempt,
            card=run.card,
            messages=[LLMMessage(message.role, message.text) for message in window.messages],
            sampling=replace(run.turn.sampling, reply_limit_tokens=limit),
            input_tokens=window.input_tokens,
        )
