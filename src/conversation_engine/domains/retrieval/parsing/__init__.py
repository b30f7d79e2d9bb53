"""Files as passages: read by a process of its own, which may run out of time or memory without harm."""
