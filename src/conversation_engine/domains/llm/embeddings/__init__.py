"""Texts as vectors whose nearness is nearness in meaning: a small local model, or any service of the OpenAI dialect."""
