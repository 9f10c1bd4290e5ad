"""Golden packets: bytes of every codec and what they mean, read by the tests of both languages.

`python -m protocol.golden` writes them anew, for when the wire changes on purpose.
"""
