"""The embedding skin: conversations inside somebody else's process."""
