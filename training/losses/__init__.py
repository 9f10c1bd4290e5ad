"""What a model is asked to do, in numbers: one file an idea."""
