from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Waiter
from giambio.kernel cimport constants, current, step
from giambio.kernel.basetask cimport BaseTask, Park
from giambio.kernel.idle cimport Idle
from giambio.kernel.runnable cimport Handle, Runnable
from giambio.kernel.run_queue cimport RunQueue
from giambio.kernel.timers cimport Timers

cimport cython


cdef class Kernel:
    cdef object __weakref__
    cdef readonly object driver_name
    cdef readonly Driver driver
    cdef object _wakeup
    cdef object _clock
    cdef object _clock_now
    cdef Timers _timers
    cdef readonly RunQueue queue
    cdef readonly Idle quiet
    cdef readonly BaseTask running
    cdef readonly int budget
    cdef public BaseTask main
    cdef object _failure
    cdef object _inbox
    cdef object _hooks
    cdef public object foreign_hook
    cdef readonly dict services
    cdef readonly bint strict
    cdef public bint closed
    cdef public object asyncgen_hooks
    cdef bint _forked
    cdef unsigned long _thread
    cdef long long _numbers
    cdef object _random
    cdef public Py_ssize_t external
    cdef Py_ssize_t _unasked
    cdef double _unasked_until

    cpdef double current_time(self) except? -1
    cpdef object add_timer(self, double deadline, Waiter waiter)
    cpdef object remove_timer(self, Waiter waiter)
    cpdef bint has_timer(self, Waiter waiter)
    cpdef long long next_number(self)
    cpdef bint has_work(self) except -1
    cpdef object add_task(self, BaseTask task)
    cpdef bint wake(self, BaseTask task, Park park) except -1
    @cython.locals(park=Park)
    cpdef object interrupt(self, BaseTask task)
    cpdef object withdraw(self, BaseTask task)
    cdef bint _abort(self, BaseTask task, Park park) except -1
    @cython.locals(park=Park)
    cdef bint _deliver_interruption(self, BaseTask task) except -1
    cpdef object inject(self, BaseTask task, object exc)
    @cython.locals(main=BaseTask)
    cpdef double run_ready(self) except? -1
    cpdef bint in_own_thread(self)
    cpdef object crash(self, object exc)
    @cython.locals(driver=Driver)
    cpdef object run_until_exit(self, BaseTask task, object exited=*)
    @cython.locals(now=double)
    cdef bint _may_go_on(self) except -1
    @cython.locals(count=Py_ssize_t, item=Runnable, queue=RunQueue)
    cdef object _run_ready(self)
    @cython.locals(how=int)
    cdef object _step(self, BaseTask task)
    cdef object _end(self, BaseTask task, bint failed)
    cdef bint _take_foreign(self, BaseTask task) except -1
    cpdef object park(self, BaseTask task, Park park)
    cdef double _timeout(self) except? -2
    @cython.locals(handle=Handle)
    cpdef object run_inbox(self)
    @cython.locals(main=BaseTask)
    cpdef list undelivered(self)
    cdef object _look_at_quiet(self)
    cdef object _raise_failure(self)
    cdef object _report_step(self, BaseTask task)
