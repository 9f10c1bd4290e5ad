"""Ports to listen on: who can be heard there, and one sentence with the remedy where there is none."""

import socket

import pytest

from driver.errors import SinkError
from driver.sinks import listen


@pytest.fixture
def two_families(monkeypatch):
    """A machine of the name `both` that the system calls by IPv6 first, as `localhost` is on many."""
    real = socket.getaddrinfo

    def found(host, port, **options):
        if host != "both":
            return real(host, port, **options)
        sixth = (socket.AF_INET6, socket.SOCK_DGRAM, 17, "", ("::1", port, 0, 0))
        return [sixth, (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_the_port_is_looked_at_where_it_would_be_sent_to(two_families):
    with listen.listen_for_datagrams("osc://", "127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert listen.is_listened_to("both", port) is True
    assert listen.is_listened_to("both", port) is False
    assert listen.address_of("both") == "127.0.0.1"


def test_a_star_hears_every_address_and_reading_waits_for_nobody():
    with listen.listen_for_datagrams("avatar://*:0", "*", 0) as listener:
        assert listener.getsockname()[0] == "0.0.0.0"
        with pytest.raises(BlockingIOError):
            listener.recv(1)


def test_what_is_in_the_way_is_said_with_its_remedy():
    with listen.listen_for_datagrams("one", "127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(
            SinkError, match=f"^two cannot be opened: another program listens on port {port}; close it$"
        ):
            listen.listen_for_datagrams("two", "127.0.0.1", port, if_taken="close it")
    with pytest.raises(SinkError, match=r"^two cannot be opened: this machine has no such address; use 127\.0\.0\.1"):
        listen.listen_for_datagrams("two", "192.0.2.1", port)
    with pytest.raises(SinkError, match=r"^two cannot be opened: no machine is called 'no\.such\.invalid'"):
        listen.listen_for_datagrams("two", "no.such.invalid", port)
