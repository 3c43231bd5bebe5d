"""What tasks wait for among themselves: events, locks, permits, queues."""
