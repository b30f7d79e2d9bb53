"""Conversations that move: taken along as files, brought in from files of ours and of others."""
