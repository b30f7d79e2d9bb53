"""Clients to talk with: who they are, how they speak, and the prompt that makes a model be them."""
