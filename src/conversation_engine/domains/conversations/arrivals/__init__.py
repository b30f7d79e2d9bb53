"""Conversations that come from elsewhere, with their messages, their tree and their times."""
