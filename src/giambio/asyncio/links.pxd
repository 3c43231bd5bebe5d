from giambio.kernel.callbacks cimport Handle
from giambio.kernel.kernel cimport Kernel
from giambio.kernel.run_queue cimport BaseTask, Park
from giambio.kernel.task cimport Task
from giambio.tasks.cancel cimport CancelScope

cimport cython


cdef class Link:
    cdef Task _task
    cdef readonly bint native
    cdef public object facade
    cdef FutureWait _wait
    cdef bint _on_its_way
    cdef object _request
    cdef object _told
    cdef CancelScope _telling
    cdef object _cancellation

    cdef object begin_step(self)
    cdef object end_step(self)
    cdef object begin_wait(self, FutureWait wait)
    @cython.locals(task=Task)
    cdef object begin_yield(self)
    cdef object _pending_exception(self)
    @cython.locals(scope=CancelScope)
    cdef CancelScope untold_scope(self)
    cdef object tell(self, CancelScope scope)
    @cython.locals(task=Task, wait=FutureWait)
    cpdef object cancel(self, object message)
    cdef object _untell(self)
    @cython.locals(task=Task)
    cpdef bint is_requested(self) except -1
    @cython.locals(task=Task)
    cpdef object withdraw(self)
    @cython.locals(task=Task)
    cdef object take_request(self)
    cpdef object rename(self, object name)
    cpdef object waits_for(self)
    cdef bint accounts_for(self, object cancellation) except -1
    cpdef object take_cancellation(self)
    cpdef object cancel_message(self)
    cpdef object crash(self, object exc)
    cdef object end(self)
    @cython.locals(task=Task)
    cdef object wake(self, FutureWait wait, object error)


cdef class FutureWait(Park):
    cdef Link _link
    cdef CancelScope _scope
    cdef object error
    cdef object future

    cdef bint cancel_future(self, object message) except -1
    @cython.locals(link=Link, task=Task, scope=CancelScope)
    cdef bint abort(self) except -1


cdef object look_at(object future)

cdef bint may_be_replaced(object thrown) except -1

cdef tuple message_of(CancelScope scope)
