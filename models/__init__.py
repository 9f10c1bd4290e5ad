"""The arithmetic: head, audio and video models. No threads, clocks or devices; importing this imports no torch."""
