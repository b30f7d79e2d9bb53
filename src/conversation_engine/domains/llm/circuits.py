"""Models that fail again and again are left alone for a while: one circuit breaker for each provider and model."""

from collections.abc import Sequence
from dataclasses import dataclass

from conversation_engine.domains.llm.errors import CircuitOpenError, ModelError
from conversation_engine.domains.llm.types import ModelCard
from conversation_engine.infra.observability.logs import get_logger
from conversation_engine.kernel.clock import Clock

_log = get_logger(__name__)


@dataclass(slots=True)
class _Circuit:
    model: str
    """As people name it."""
    faults: int = 0
    """In a row."""
    closes_at: float | None = None
    """From when on it may be tried; set while the circuit is open."""
    is_probed: bool = False
    """Somebody is trying whether it works again; the others wait for how that goes."""


class Circuits:
    """Of one process and one event loop.

    Closed: calls pass; so many faults of the service in a row open it. Open: no call passes. When its time is over one
    call passes as a probe: a fault opens it again, anything else closes it. What speaks against the request or our
    account (rate limits, credentials, parameters) shows that the service is there, and so closes it as well.
    """

    def __init__(self, clock: Clock, *, faults_to_open: int, open_seconds: float) -> None:
        """`faults_to_open` 0: never open."""
        self._clock = clock
        self._faults_to_open = faults_to_open
        self._open_seconds = open_seconds
        self._circuits: dict[tuple[str, str], _Circuit] = {}

    def enter(self, card: ModelCard) -> None:
        """A call is about to be made: `leave` must follow. Raises CircuitOpenError when it must not be made."""
        circuit = self._circuits.get(_key(card))
        if circuit is None or circuit.closes_at is None:
            return
        left = circuit.closes_at - self._clock.monotonic()
        if left > 0 or circuit.is_probed:
            raise CircuitOpenError(f"{card.name}: {circuit.faults} faults in a row", retry_after_seconds=max(1.0, left))
        circuit.is_probed = True

    def leave(self, card: ModelCard, error: ModelError | None) -> None:
        """How the call went; `None`: well."""
        circuit = self._circuits.get(_key(card))
        if error is None or not error.is_service_fault:
            if circuit is not None:
                self._close(card, circuit)
            return
        circuit = self._circuits.setdefault(_key(card), _Circuit(card.name))
        circuit.faults += 1
        circuit.is_probed = False
        if 0 < self._faults_to_open <= circuit.faults:
            circuit.closes_at = self._clock.monotonic() + self._open_seconds
            _log.warning("circuit.opened", model=card.name, faults=circuit.faults, seconds=self._open_seconds)

    def give_up(self, card: ModelCard) -> None:
        """The call was ended by us before it could tell anything."""
        if circuit := self._circuits.get(_key(card)):
            circuit.is_probed = False

    def is_open(self, card: ModelCard) -> bool:
        """Whether calls are refused at the moment."""
        circuit = self._circuits.get(_key(card))
        return circuit is not None and circuit.closes_at is not None and circuit.closes_at > self._clock.monotonic()

    def open_models(self) -> Sequence[str]:
        """Of which calls are refused at the moment."""
        now = self._clock.monotonic()
        circuits = self._circuits.values()
        return [one.model for one in circuits if one.closes_at is not None and one.closes_at > now]

    def _close(self, card: ModelCard, circuit: _Circuit) -> None:
        if circuit.closes_at is not None:
            _log.info("circuit.closed", model=card.name)
        del self._circuits[_key(card)]


def _key(card: ModelCard) -> tuple[str, str]:
    return card.provider, card.provider_model
