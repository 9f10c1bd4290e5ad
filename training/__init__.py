"""The learning: everything that produces the head and the weights which `models/` ships."""
