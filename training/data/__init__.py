"""What the models learn from, and how it is made."""
