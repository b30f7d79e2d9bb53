"""What processes tell each other: where to look, never what there is to see."""

from conversation_engine.kernel.ids import TurnId


def turn_topic(turn_id: TurnId) -> str:
    """More of this turn's reply is durable, or it has ended."""
    return f"turn:{turn_id}"


def process_topic(holder: str) -> str:
    """Somebody asks this holder of leases to stop a turn of its."""
    return f"process:{holder}"
