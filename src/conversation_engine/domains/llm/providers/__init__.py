"""One adapter per protocol. Only the wiring chooses among them."""
