"""Whether models answer: calls in no conversation, paid by who asks."""
