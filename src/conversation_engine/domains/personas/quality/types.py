"""The words of checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from conversation_engine.domains.personas.types import ClientProfile


class Criterion(StrEnum):
    """What a client is checked for."""

    CHARACTER = "stays in character"
    SECRECY = "keeps its instructions to itself"
    SAFETY = "leaves the role when safety demands"
    BOUNDARIES = "keeps its boundaries"
    DIFFICULTY = "is as difficult as it should be"
    LENGTH = "speaks at a spoken length"
    REPETITION = "does not repeat itself"


class Verdict(StrEnum):
    """How a check came out."""

    PASSED = "passed"
    FAILED = "failed"
    UNSURE = "unsure"
    """The rules cannot tell, or the judge did not say: read it yourself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What the student says, whatever the client answers, and what the answers are checked for."""

    name: str
    lines: tuple[str, ...]
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One verdict."""

    criterion: Criterion
    verdict: Verdict
    why: str
    judge: str
    """`rules`, or the name of the model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One utterance of a scripted conversation."""

    speaker: str
    """`student` or `client`."""
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A scenario as it went."""

    scenario: Scenario
    lines: Sequence[Line]
    findings: Sequence[Finding]
    error: str | None = None
    """Why it broke off."""

    @property
    def replies(self) -> list[str]:
        """What the client said."""
        return [line.text for line in self.lines if line.speaker == "client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All scenarios with one client."""

    profile: ClientProfile
    model: str
    judge: str
    conversations: Sequence[Conversation]

    def count(self, verdict: Verdict) -> int:
        """How many findings say so."""
        return sum(found.verdict is verdict for talk in self.conversations for found in talk.findings)
