"""Talks through the scenarios and collects the verdicts."""

from collections.abc import Awaitable, Callable, Sequence

from conversation_engine.domains.llm.types import LLMMessage
from conversation_engine.domains.personas.checks import checked_profile
from conversation_engine.domains.personas.prompts.library import PromptLibrary
from conversation_engine.domains.personas.prompts.system_prompt import generate_system_prompt
from conversation_engine.domains.personas.quality.judging import findings_in, question
from conversation_engine.domains.personas.quality.rules import judge_by_rules
from conversation_engine.domains.personas.quality.scenarios import scenarios_for
from conversation_engine.domains.personas.quality.types import Conversation, Finding, Line, Report, Scenario
from conversation_engine.domains.personas.types import ClientProfile
from conversation_engine.kernel.errors import EngineError

Speak = Callable[[Sequence[LLMMessage]], Awaitable[str]]
"""Has a model answer; raises an EngineError where it cannot."""
HEARD_LIMIT_CHARACTERS = 6_000
"""What the client is shown of the conversation: small models hold little."""


class PersonaChecker:
    """Checks one client. With a judge each criterion is judged by it, and by the rules where these know something."""

    def __init__(
        self, library: PromptLibrary, *, speak: Speak, model: str, judge: Speak | None = None, judge_name: str = "rules"
    ) -> None:
        self._library = library
        self._speak = speak
        self._model = model
        self._judge = judge
        self._judge_name = judge_name

    async def check(self, profile: ClientProfile, *, only: str = "") -> Report:
        """Every scenario, one after the other: about a dozen model calls, and one more a scenario with a judge.

        `only` keeps those whose names hold it.
        """
        checked = checked_profile(profile)
        instructions = generate_system_prompt(checked, self._library)
        wanted = [scenario for scenario in scenarios_for(checked) if only.casefold() in scenario.name.casefold()]
        talks = [await self._talk(scenario, checked, instructions) for scenario in wanted]
        return Report(profile=checked, model=self._model, judge=self._judge_name, conversations=talks)

    async def _talk(self, scenario: Scenario, profile: ClientProfile, instructions: str) -> Conversation:
        lines = [Line(speaker="client", text=profile.opening_line)] if profile.opening_line else []
        answered = 0
        error = None
        try:
            for said in scenario.lines:
                lines.append(Line(speaker="student", text=said))
                reply = await self._speak(_shown(lines, instructions))
                lines.append(Line(speaker="client", text=reply))
                answered += 1
        except EngineError as failure:
            error = failure.detail
        replies = [line.text for line in lines if line.speaker == "client"][-answered:] if answered else []
        findings = [] if error else await self._findings(scenario, lines, replies, profile=profile, told=instructions)
        return Conversation(scenario=scenario, lines=lines, findings=findings, error=error)

    async def _findings(
        self, scenario: Scenario, lines: Sequence[Line], replies: Sequence[str], *, profile: ClientProfile, told: str
    ) -> list[Finding]:
        found = [
            judge_by_rules(criterion, replies, profile=profile, instructions=told) for criterion in scenario.criteria
        ]
        if self._judge is None:
            return found
        try:
            answer = await self._judge(question(scenario.criteria, lines, instructions=told))
        except EngineError as failure:
            answer = failure.detail
        return [*found, *findings_in(answer, scenario.criteria, judge=self._judge_name)]


def _shown(lines: Sequence[Line], instructions: str) -> list[LLMMessage]:
    """The instructions and the newest lines that fit."""
    kept: list[LLMMessage] = []
    room = HEARD_LIMIT_CHARACTERS
    for line in reversed(lines):
        room -= len(line.text)
        if kept and room < 0:
            break
        kept.append(LLMMessage("user" if line.speaker == "student" else "assistant", line.text))
    return [LLMMessage("system", instructions), *reversed(kept)]
