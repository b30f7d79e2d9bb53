"""The engine without a door: what must be done whether or not anybody asks."""
