"""The write path: one durable turn, from the question to the recorded answer."""
