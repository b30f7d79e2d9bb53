"""The model that comes with the engine: a small one, run by llama.cpp in a child process we supervise.

The child speaks the OpenAI protocol on loopback, so the engine talks to it as to any other provider.
"""

from conversation_engine.domains.llm.providers.local.errors import LocalModelUnavailableError
from conversation_engine.domains.llm.providers.local.process import LocalEndpoint
from conversation_engine.domains.llm.providers.local.supervisor import LocalModelServer
from conversation_engine.domains.llm.providers.local.weights import packaged_model_path

__all__ = ["LocalEndpoint", "LocalModelServer", "LocalModelUnavailableError", "packaged_model_path"]
