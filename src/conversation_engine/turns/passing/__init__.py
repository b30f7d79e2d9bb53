"""Answers to prompts that the caller brings whole, and of which nothing is kept."""
