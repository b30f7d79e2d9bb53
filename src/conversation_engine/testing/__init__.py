"""Public doubles: what we test with, and what those who build on us can test with."""

from conversation_engine.testing.clock import FakeClock
from conversation_engine.testing.embedder import WordEmbedder
from conversation_engine.testing.scripted import Fail, Pause, Say, ScriptedModel

__all__ = ["Fail", "FakeClock", "Pause", "Say", "ScriptedModel", "WordEmbedder"]
