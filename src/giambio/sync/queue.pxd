from giambio.channels cimport stores
from giambio.kernel.wait_queue cimport WaitQueue
from giambio.sync cimport queue_state
from giambio.sync.queue_state cimport QueueState


cdef class BaseQueue(QueueState):
    cdef object _maxsize

    cdef object _close_now(self)
    cdef object _check_thread(self, WaitQueue queue, str call)


cdef class Queue(BaseQueue):
    pass


cdef class PriorityQueue(BaseQueue):
    pass


cdef class LifoQueue(BaseQueue):
    pass
