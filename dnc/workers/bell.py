"""A bell that wakes a thread which waits for its worker processes."""

from __future__ import annotations

import socket
from contextlib import suppress


class Bell:
    """Something for `multiprocessing.connection.wait`: readable once it has been rung, until it is silenced.

    Threads may ring it as often as they like; a ring never waits, and none is lost. It needs no closing.

    >>> from multiprocessing.connection import wait
    >>> bell = Bell()
    >>> bell.ring()
    >>> wait([bell]) == [bell]
    True
    >>> bell.silence()
    >>> wait([bell], timeout=0)
    []
    """

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        for end in (self._ours, self._theirs):
            end.setblocking(False)

    def ring(self) -> None:
        """Wake who waits, or who waits next."""
        with suppress(BlockingIOError):  # it has been rung so often that its buffer is full
            self._theirs.send(b"!")

    def silence(self) -> None:
        """Forget all rings so far."""
        with suppress(BlockingIOError):
            while self._ours.recv(4096):
                pass

    def fileno(self) -> int:
        """What the system calls the end that becomes readable."""
        return self._ours.fileno()

    def __del__(self) -> None:
        with suppress(AttributeError):  # the system had no sockets left
            self._ours.close()
            self._theirs.close()
