"""Builds the open head from MakeHuman's CC0 data."""
