"""Who was refused for asking too often."""
