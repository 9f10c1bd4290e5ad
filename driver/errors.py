"""Everything that can go wrong, as one tree. `cli.py` prints the message and leaves with the exit code.

AvatarDriverError          one sentence: the value, the rule, the remedy
├── UsageError             exit 2: the command line or the configuration is wrong
└── RunError               exit 1: something failed while running
    ├── DeviceError        a camera or a microphone is missing, busy or gone
    ├── MediaError         a file or a stream cannot be read
    ├── ModelError         a model file is missing, damaged or refused
    └── SinkError          an output, or a port to listen on, cannot be opened (a busy port, for example)
"""

from __future__ import annotations


class AvatarDriverError(Exception):
    """Base of all errors that a user may see. The message is one sentence: the value, the rule and the remedy."""

    exit_code = 1


class UsageError(AvatarDriverError):
    """The command line or the configuration asks for something that cannot be."""

    exit_code = 2


class RunError(AvatarDriverError):
    """Something failed while running."""


class DeviceError(RunError):
    """A camera or a microphone is missing, busy or gone."""


class MediaError(RunError):
    """A media file or a stream cannot be read."""


class ModelError(RunError):
    """A model file is missing, damaged or refused."""


class SinkError(RunError):
    """An output, or a port to listen on, cannot be opened."""
