"""The OpenAI dialect under `/v1`: another language for the same turns."""
