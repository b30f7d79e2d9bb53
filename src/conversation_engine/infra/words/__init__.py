"""What texts and messages are found by."""
