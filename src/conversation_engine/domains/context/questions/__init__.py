"""What a question means in its conversation: pure rules, and what was learnt for them."""
