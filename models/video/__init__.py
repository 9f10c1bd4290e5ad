"""Models that see: uint8 crops of a face in, motion out. Torch only here; the driver runs their exported graphs."""
