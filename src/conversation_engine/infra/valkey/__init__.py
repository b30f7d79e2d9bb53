"""What is kept in Valkey (or Redis)."""
