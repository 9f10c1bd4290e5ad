"""Which web pages may listen: those of this machine, and those that the user named."""

import pytest

from driver.sinks.origins import may_listen


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "127.0.0.1:5573", True),  # no browser
        ("http://127.0.0.1:5573", "127.0.0.1:5573", True),
        ("http://localhost:8080", "127.0.0.1:5573", True),  # a page under development
        ("http://[::1]:5573", "[::1]:5573", True),
        ("http://192.168.0.7:5573", "192.168.0.7:5573", True),  # our own page, seen from another machine
        ("http://192.168.0.8:5573", "192.168.0.7:5573", False),
        ("https://studio.example", "127.0.0.1:5573", True),  # named by the user
        ("https://other.example", "127.0.0.1:5573", False),
        ("https://studio.example.evil.example", "127.0.0.1:5573", False),
        ("http://evil.example:5573", "evil.example:5573", False),  # a name pointed at this machine
        ("http://localhost.evil.example", "127.0.0.1:5573", False),
        ("http://127.0.0.1.evil.example", "127.0.0.1:5573", False),
        ("null", "127.0.0.1:5573", False),  # any site can make a frame without an origin
        ("", "127.0.0.1:5573", False),
        ("chrome-extension://localhost", "127.0.0.1:5573", False),
        ("http://[broken", "127.0.0.1:5573", False),
        ("http://192.168.0.7:5573", None, False),
    ],
)
def test_who_may_listen(origin, host, expected):
    assert may_listen(origin, host, ["https://studio.example"]) == expected
