from typing import Any, NamedTuple

from giambio.channels.closing import Droppable

__all__ = ["ChannelStatistics"]

class ChannelStatistics(NamedTuple):
    current_buffer_used: int
    max_buffer_size: int | float
    open_send_channels: int
    open_receive_channels: int
    tasks_waiting_send: int
    tasks_waiting_receive: int

class End(Droppable):
    called: str
    def __init__(self, channel: Any = None) -> None: ...
    def statistics(self) -> ChannelStatistics: ...
