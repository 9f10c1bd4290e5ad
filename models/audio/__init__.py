"""Models that hear: raw 16 kHz mono in, motion out. Torch only here; the driver runs their exported graphs."""
