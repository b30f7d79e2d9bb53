"""What was spent: by user, model, conversation, type or day."""
