cpdef enum:
    BUDGET = 64
    MOST_UNASKED = 64

    PARKED = 0
    FOREIGN = 1
    RETURNED = 2
    RAISED = 3

    FRESH = 0
    AWAITED = 1
    TRIED = 2
    GRANTED = 3
    DONE = 4

    RUNNING = 0
    SUCCEEDED = 1
    FAILED = 2
    CANCELLED = 3

    NEW = 0
    OPEN = 1
    LEFT = 2

    PLAIN = 0
    OWNED = 1
    FAILS = 2
    FOLLOWS_STOPS = 3
