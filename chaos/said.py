"""What a client knows of one question: what it sent, and all it was told."""

from dataclasses import dataclass, field

from chaos.events import Event

FINAL_STATES = frozenset({"completed", "failed", "cancelled", "interrupted"})


@dataclass(slots=True, kw_only=True)
class Said:
    """One question and what became of it, as far as its client has heard."""

    conversation_id: str
    content: str
    """Unlike every other question of the run; also its idempotency key."""
    sends: int = 0
    """How often it was submitted: more than once where no answer came."""
    seat: int | None = None
    """Whose process acknowledged it."""
    turn_id: str | None = None
    text: str = ""
    state: str | None = None
    """Final, as heard."""
    resumes: int = 0
    is_shortened: bool = False
    """Its text was taken back by an event that says so: a new attempt."""
    complaints: list[str] = field(default_factory=list)
    """What it was told that contradicts what it was told before."""

    @property
    def is_acknowledged(self) -> bool:
        """Whether a server said that it has it."""
        return self.turn_id is not None

    def hear(self, event: Event) -> None:
        """Take in one event; what does not fit to what was heard before is a complaint."""
        if event.name == "turn.started":
            self._hear_start(event)
        elif event.name == "reply.delta":
            self._hear_delta(event)
        elif event.name == "turn.restarted":
            self.text, self.is_shortened = "", True
        elif event.name.removeprefix("turn.") in FINAL_STATES:
            self._hear_end(event)

    def _hear_start(self, event: Event) -> None:
        if self.turn_id not in (None, event.data["id"]):
            self.complaints.append(f"another turn answered: {event.data['id']}")
        self.turn_id = event.data["id"]
        if event.offset != len(self.text):
            self.complaints.append(f"asked to go on from {len(self.text)}, went on from {event.offset}")

    def _hear_delta(self, event: Event) -> None:
        piece = event.data["text"]
        if event.offset != event.data["offset"] or event.offset != len(self.text) + len(piece):
            self.complaints.append(f"at {len(self.text)} came {len(piece)} characters to {event.offset}")
        self.text += piece

    def _hear_end(self, event: Event) -> None:
        self.state = event.data["state"]
        message = event.data["message"]
        stored = message["content"] if message else ""
        if stored != self.text:
            self.complaints.append(f"heard {len(self.text)} characters, the end says {len(stored)}: {_tail(stored)}")


def _tail(text: str) -> str:
    return repr(text[-40:])
