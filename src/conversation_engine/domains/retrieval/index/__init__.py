"""Where passages are looked up: one port, PostgreSQL and SQLite behind it, the same results."""
