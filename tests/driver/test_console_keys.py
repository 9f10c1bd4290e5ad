"""Keys at a real terminal (a pseudo one): heeded without Enter, the terminal put back, and nothing where none is."""

import os
import sys

import pytest
from support.stream import wait_until

from driver.console_keys import ConsoleKeys

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo terminals are POSIX's")


def test_a_key_acts_at_once_and_the_terminal_is_as_before() -> None:
    termios = pytest.importorskip("termios")
    script = (
        "import time\n"
        "from driver.console_keys import ConsoleKeys\n"
        "pressed = []\n"
        "with ConsoleKeys({'c': lambda: pressed.append('c')}) as keys:\n"
        "    print('open' if keys.is_open else 'closed', flush=True)\n"
        "    for _ in range(1000):\n"
        "        if len(pressed) == 2: break\n"
        "        time.sleep(0.01)\n"
        "assert len(pressed) == 2\n"
        "print('done', flush=True)\n"
    )
    import pty
    import signal

    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, [sys.executable, "-c", script])
    before = termios.tcgetattr(terminal)
    shown = b""

    def shows(text: bytes) -> bool:
        nonlocal shown
        try:
            shown += os.read(terminal, 1000)
        except OSError:
            return True
        return text in shown

    try:
        wait_until(lambda: shows(b"open"))
        during = termios.tcgetattr(terminal)
        os.write(terminal, b"cxc")
        wait_until(lambda: shows(b"done"))
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
    assert os.waitpid(child, 0)[1] == 0
    assert b"cxc" not in shown  # no echo
    assert during[3] & termios.ICANON == 0
    assert before[3] & termios.ICANON
    os.close(terminal)


def test_where_no_person_sits_nothing_is_read() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"c")
    with ConsoleKeys({"c": pytest.fail}, reading) as keys:
        assert not keys.is_open
    assert os.read(reading, 1) == b"c"
    for descriptor in (reading, writing):
        os.close(descriptor)
    with ConsoleKeys({}) as keys:
        assert not keys.is_open
