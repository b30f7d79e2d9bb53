"""Documents, and passages of them that answer a question: by words, by meaning, or both."""
