"""Durable background work: enqueued in the caller's transaction, done by any process, at least once."""
