"""When to do something again: intervals, rate limits, retries."""
