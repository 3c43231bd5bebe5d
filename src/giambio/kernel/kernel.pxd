from giambio.drivers.driver cimport Driver
from giambio.drivers.source cimport Waiter
from giambio.kernel cimport constants, current, step
from giambio.kernel.callbacks cimport Handle
from giambio.kernel.counters cimport Counters
from giambio.kernel.guest cimport Guest
from giambio.kernel.idle cimport Idle
from giambio.kernel.listeners cimport Listeners
from giambio.kernel.run_queue cimport BaseTask, Park, Runnable, RunQueue
from giambio.kernel.system_clock cimport system_time
from giambio.kernel.timers cimport Timers

cimport cython


cdef double SECONDS_UNASKED
cdef double NEVER


cdef class Kernel:
    cdef object __weakref__
    cdef readonly object _driver_choice
    cdef readonly Driver _driver
    cdef readonly object _wakeup
    cdef object _clock
    cdef object _clock_now
    cdef Timers _timers
    cdef readonly RunQueue _queue
    cdef readonly Idle _idle
    cdef readonly BaseTask _running
    cdef readonly int _budget
    cdef public BaseTask _main
    cdef object _failure
    cdef object _inbox
    cdef readonly Listeners _listeners
    cdef public Guest _guest
    cdef public Guest _steps_for
    cdef readonly dict _services
    cdef readonly bint _strict
    cdef public bint _closed
    cdef public object _asyncgen_hooks
    cdef bint _forked
    cdef readonly unsigned long _thread
    cdef public bint _torn
    cdef readonly long long _numbers
    cdef object _random
    cdef public Py_ssize_t _external
    cdef Py_ssize_t _unasked
    cdef double _unasked_until
    cdef readonly Counters _counters

    cpdef double current_time(self) except? -1
    cpdef object _add_timer(self, double deadline, Waiter waiter)
    cpdef object _remove_timer(self, Waiter waiter)
    cpdef bint _has_timer(self, Waiter waiter)
    cpdef long long _next_number(self)
    cpdef bint _has_work(self) except -1
    cpdef object _add_task(self, BaseTask task)
    cpdef bint _wake(self, BaseTask task, Park park) except -1
    @cython.locals(park=Park)
    cpdef object _interrupt(self, BaseTask task)
    cdef bint _abort(self, BaseTask task, Park park) except -1
    @cython.locals(park=Park)
    cdef bint _deliver_interruption(self, BaseTask task) except -1
    cpdef object _inject(self, BaseTask task, object exc)
    @cython.locals(main=BaseTask)
    cpdef double run_ready(self) except? -1
    cpdef bint _in_own_thread(self)
    cpdef bint _is_begun(self)
    cpdef object _crash(self, object exc)
    @cython.locals(driver=Driver)
    cpdef object _run_until_exit(self, BaseTask task, object exited=*)
    cdef object _wait(self, Driver driver, double timeout)
    @cython.locals(now=double)
    cdef bint _may_go_on(self) except -1
    @cython.locals(count=Py_ssize_t, item=Runnable, queue=RunQueue)
    cdef object _run_ready(self)
    @cython.locals(began=double)
    cdef object _call(self, Listeners listeners, Runnable handle)
    cdef object _callback_failed(self, Runnable handle, object exc)
    @cython.locals(how=int, began=double, counters=Counters)
    cdef object _step(self, BaseTask task)
    @cython.locals(running=BaseTask)
    cpdef object _step_inside(self, BaseTask task)
    cdef object _end(self, BaseTask task, bint failed)
    cdef bint _take_foreign(self, BaseTask task) except -1
    cdef double _timeout(self) except? -2
    @cython.locals(handle=Runnable)
    cpdef object _run_inbox(self)
    @cython.locals(main=BaseTask)
    cpdef list _undelivered(self)
    cdef object _check_idle(self)
    cdef object _raise_failure(self)
    cpdef bint _is_torn(self) except -1


cdef double SECONDS_UNASKED
cdef double NEVER
