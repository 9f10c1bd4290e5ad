"""The wire: one frame of a face, and pure functions between it and every packet format. No sockets, no torch."""
