"""What was said, carried to a warehouse: each message once, changes and erasures too."""
