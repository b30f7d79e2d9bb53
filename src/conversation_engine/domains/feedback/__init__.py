"""What people think of what was said: marks on messages and conversations."""
