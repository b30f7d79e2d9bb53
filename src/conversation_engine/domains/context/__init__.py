"""What the model is shown, and why: pure planning."""
