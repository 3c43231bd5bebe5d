from typing import NamedTuple

__all__ = ["BroadcastStatistics"]

class BroadcastStatistics(NamedTuple):
    longest_backlog: int
    max_buffer_size: int | float
    open_subscriptions: int
    tasks_waiting_send: int
    tasks_waiting_receive: int
