"""Real servers under load, harmed at random, and an audit of what they promised: `make chaos`."""
