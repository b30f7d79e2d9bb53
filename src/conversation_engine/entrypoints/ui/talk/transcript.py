"""What there is to show of a conversation, read from the API in three calls."""

from dataclasses import dataclass
from typing import Final

from conversation_engine.entrypoints.ui.api import Api, Json

SHOWN: Final = 40
MOST: Final = 200
LIVE: Final = ("running", "queued")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A conversation, the active path's newest messages, and its newest turns."""

    conversation: Json
    messages: list[Json]
    has_older: bool
    turns: list[Json]
    versions: dict[str, list[str]]
    """For each message that has others beside it: the ids of all of them, oldest first."""

    @property
    def id(self) -> str:
        """The conversation's."""
        return str(self.conversation["id"])

    @property
    def is_active(self) -> bool:
        """Whether one can still say something."""
        return bool(self.conversation["status"] == "active")

    @property
    def partner(self) -> str:
        """Whom one talks with."""
        return str(self.conversation["title"] or "them") if self.conversation["persona_id"] else "the assistant"

    @property
    def running(self) -> Json | None:
        """The turn whose reply is being said, or that waits for its place in line."""
        live = [turn for turn in self.turns if turn["state"] in LIVE]
        return min(live, key=lambda turn: (turn["state"] != "running", turn["id"])) if live else None

    @property
    def newest_turn_id(self) -> str | None:
        """By which another tab sees that something was said."""
        return str(self.turns[0]["id"]) if self.turns else None

    @property
    def failure(self) -> Json | None:
        """Why the newest turn said nothing, if that is how the conversation stands."""
        newest = self.turns[0] if self.turns else None
        if newest is None or newest["state"] != "failed" or newest["error"] is None:
            return None
        is_last = bool(self.messages) and self.messages[-1]["id"] == newest["user_message_id"]
        return {**newest["error"], "message_id": newest["user_message_id"]} if is_last else None

    def state_of(self, turn_id: str | None) -> str | None:
        """How a turn ended, if it is one of the newest."""
        return next((turn["state"] for turn in self.turns if turn["id"] == turn_id), None)


def load(api: Api, conversation_id: str, *, older: int = 0) -> Transcript:
    """Read it; `older` asks for that many further screens of messages."""
    path = f"/conversations/{conversation_id}"
    conversation = api.get(path, limit=1)
    limit = min(MOST, SHOWN * (1 + older))
    page = api.get(f"{path}/path", limit=limit, newest_first=True)
    turns = api.get(f"{path}/turns", limit=10)["items"]
    return Transcript(
        conversation=conversation,
        messages=list(reversed(page["items"])),
        has_older=page["next"] is not None and limit < MOST,
        turns=turns,
        versions=_versions(api, path) if conversation["is_branched"] else {},
    )


def _versions(api: Api, path: str) -> dict[str, list[str]]:
    messages = api.get(f"{path}/messages", limit=MOST, newest_first=True)["items"]
    beside: dict[tuple[str | None, str], list[str]] = {}
    for message in sorted(messages, key=lambda message: message["sequence_number"]):
        beside.setdefault((message["parent_id"], message["role"]), []).append(message["id"])
    return {one: ids for ids in beside.values() if len(ids) > 1 for one in ids}
