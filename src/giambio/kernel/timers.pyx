"""Deadlines, as a heap, natively (see `timers.py`).

The waiters are in a Python list, so that the garbage collector sees them; the keys
to compare are beside it, in an array of the same order. The heap is four wide: it is half as
deep as with two, and the four to compare lie side by side in memory.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.math cimport INFINITY

from giambio.drivers.source cimport Waiter

cdef extern from *:
    """
    #define giambio_items(list) (((PyListObject *)(list))->ob_item)
    """
    PyObject **giambio_items(list waiters) noexcept

cdef enum:
    WIDTH = 4
    ROOM = 64  # how many timers there is room for at first


cdef inline bint is_earlier(Due one, Due other) noexcept:
    if one.deadline == other.deadline:
        return one.number < other.number
    return one.deadline < other.deadline


@cython.no_gc_clear  # its list is never None; its holders are cleared
cdef class Timers:
    def __cinit__(self):
        self._waiters = []
        self._dues = NULL

    def __dealloc__(self):
        PyMem_Free(self._dues)

    cdef int add(self, double deadline, Waiter waiter) except -1:
        """Notify `waiter` when the clock has reached `deadline` (seconds)."""
        cdef Py_ssize_t at
        cdef Py_ssize_t room
        cdef Due *dues
        self.remove(waiter)
        at = len(self._waiters)
        if at == self._room:
            room = 2 * at if at else ROOM
            dues = <Due *>PyMem_Realloc(self._dues, room * sizeof(Due))
            if dues == NULL:
                raise MemoryError()
            self._dues = dues
            self._room = room
        self._waiters.append(waiter)
        self._number += 1
        self._dues[at].deadline = deadline
        self._dues[at].number = self._number
        self._rise(at)
        return 0

    cdef int remove(self, Waiter waiter) except -1:
        """Forget the timer of a waiter; harmless if it has fired, or there was none."""
        cdef Py_ssize_t at
        cdef Py_ssize_t last
        cdef PyObject **items
        if not self.holds(waiter):
            return 0
        at = waiter.place - 1
        last = len(self._waiters) - 1
        waiter.place = 0
        if at != last:
            items = giambio_items(self._waiters)
            items[at], items[last] = items[last], items[at]
            self._dues[at] = self._dues[last]
        self._waiters.pop()
        if at != last:
            self._rise(at)
            self._sink((<Waiter>giambio_items(self._waiters)[at]).place - 1)
        return 0

    cdef bint holds(self, Waiter waiter) noexcept:
        """Return whether a waiter has a timer that has not fired."""
        cdef Py_ssize_t at = waiter.place - 1
        # A place may be one in the heap of a loop that is no more.
        return (
            0 <= at < len(self._waiters)
            and giambio_items(self._waiters)[at] == <PyObject *>waiter
        )

    cdef bint is_empty(self) noexcept:
        """Return whether there is no deadline to wait for."""
        return len(self._waiters) == 0

    cdef double next_deadline(self) noexcept:
        """Return the earliest deadline, or infinity."""
        return self._dues[0].deadline if len(self._waiters) else INFINITY

    cdef int fire(self, double now) except -1:
        """Notify every waiter whose deadline has passed, earliest first."""
        cdef Waiter waiter
        while len(self._waiters) and self._dues[0].deadline <= now:
            waiter = self._waiters[0]
            self.remove(waiter)
            waiter._ready()
        return 0

    cdef int clear(self) except -1:
        """Forget all timers."""
        cdef Waiter waiter
        for waiter in self._waiters:
            waiter.place = 0
        self._waiters = []
        return 0

    cdef void _rise(self, Py_ssize_t at) noexcept:
        """Move an entry towards the front, to where it belongs."""
        cdef Due due = self._dues[at]
        cdef PyObject **items = giambio_items(self._waiters)
        cdef PyObject *item = items[at]
        cdef Py_ssize_t parent
        while at > 0:
            parent = (at - 1) // WIDTH
            if not is_earlier(due, self._dues[parent]):
                break
            self._dues[at] = self._dues[parent]
            items[at] = items[parent]
            (<Waiter>items[at]).place = at + 1
            at = parent
        self._dues[at] = due
        items[at] = item
        (<Waiter>item).place = at + 1

    cdef void _sink(self, Py_ssize_t at) noexcept:
        """Move an entry towards the end, to where it belongs."""
        cdef Due due = self._dues[at]
        cdef PyObject **items = giambio_items(self._waiters)
        cdef PyObject *item = items[at]
        cdef Py_ssize_t count = len(self._waiters)
        cdef Py_ssize_t child, first, other
        while True:
            first = at * WIDTH + 1
            if first >= count:
                break
            child = first
            for other in range(first + 1, min(first + WIDTH, count)):
                if is_earlier(self._dues[other], self._dues[child]):
                    child = other
            if not is_earlier(self._dues[child], due):
                break
            self._dues[at] = self._dues[child]
            items[at] = items[child]
            (<Waiter>items[at]).place = at + 1
            at = child
        self._dues[at] = due
        items[at] = item
        (<Waiter>item).place = at + 1
