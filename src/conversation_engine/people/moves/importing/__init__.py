"""Bringing conversations in: files of ours, of ChatGPT, Claude, LibreChat and Chatbot UI."""
