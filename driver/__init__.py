"""The real time: capture, track, encode, fuse, smooth, publish. Never imports torch."""

__version__ = "0.1.0"
