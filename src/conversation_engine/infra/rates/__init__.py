"""How often something may happen: machinery that knows neither users nor routes."""
