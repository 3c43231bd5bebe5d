"""HTTP/1.1 by h11, which leaves reading and writing to the library that is measured."""

from __future__ import annotations

import h11

BODY = b"Hello, world\n"


class Conversation:
    """One connection's requests and answers."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)

    def answer(self, data: bytes) -> bytes:
        """Take what has come, and return what is to be sent: empty if a request is not whole."""
        self._http.receive_data(data)
        answers = b""
        while not isinstance(event := self._http.next_event(), type(h11.NEED_DATA)):
            if isinstance(event, h11.EndOfMessage):
                answers += self._hello()
                self._http.start_next_cycle()
        return answers

    def _hello(self) -> bytes:
        headers = [("Content-Length", str(len(BODY)))]
        events = h11.Response(status_code=200, headers=headers), h11.Data(BODY), h11.EndOfMessage()
        return b"".join(self._http.send(event) or b"" for event in events)
