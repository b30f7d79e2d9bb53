"""Public doubles: what we test with, and what those who build on us can test with."""

from conversation_engine.testing.clock import FakeClock
from conversation_engine.testing.embedder import WordEmbedder
from conversation_engine.testing.scripted import Call, Fail, Pause, Say, ScriptedModel

__all__ = ["Call", "Fail", "FakeClock", "Pause", "Say", "ScriptedModel", "WordEmbedder"]
