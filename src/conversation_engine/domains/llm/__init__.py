"""Calls to language models: one port, one adapter per protocol, every attempt on record."""
