/*
 * The yardstick for rows without a server: what a runtime has to do at least, in C.
 *
 * It calls the user's async functions, steps their coroutines, keeps what they return,
 * and sorts deadlines; there is no cancellation, budget, context or hook, and nobody
 * asks the system for anything. The user's functions are Python, as everywhere else.
 *
 * A module for Python, compiled when it is first needed; see tasks/c_.py.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>

/* --- an awaitable that yields once --- */

typedef struct {
    PyObject_HEAD
    double delay;
    int yielded;
} Once;

static PyObject *once_await(PyObject *self)
{
    return Py_NewRef(self);
}

static PyObject *once_next(PyObject *self)
{
    Once *once = (Once *)self;
    if (once->yielded)
        return NULL; /* ends with None, without an exception */
    once->yielded = 1;
    return Py_NewRef(self);
}

static PyAsyncMethods once_async = {.am_await = once_await};

static PyTypeObject OnceType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "native_tasks.Once",
    .tp_basicsize = sizeof(Once),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_as_async = &once_async,
    .tp_iter = once_await,
    .tp_iternext = once_next,
};

/* once(delay): what a coroutine awaits to be stepped again after so many seconds. */
static PyObject *once(PyObject *module, PyObject *delay)
{
    (void)module;
    Once *made = PyObject_New(Once, &OnceType);
    if (!made)
        return NULL;
    made->delay = PyFloat_AsDouble(delay);
    made->yielded = 0;
    return (PyObject *)made;
}

/* --- tasks --- */

typedef struct task {
    struct task *next;
    PyObject *coroutine;
    PyObject *result;
    double deadline;
} Task;

static Task *spawn_task(PyObject *coroutine)
{
    Task *task = PyMem_Malloc(sizeof *task);
    if (!coroutine || !task) {
        PyMem_Free(task);
        Py_XDECREF(coroutine);
        return NULL;
    }
    *task = (Task){.coroutine = coroutine};
    return task;
}

/* Returns -1 with an exception, 0 if the task has yielded `*yielded`, 1 if it has ended. */
static int step(Task *task, PyObject **yielded)
{
    switch (PyIter_Send(task->coroutine, Py_None, yielded)) {
    case PYGEN_NEXT:
        return 0;
    case PYGEN_RETURN:
        task->result = *yielded;
        Py_CLEAR(task->coroutine);
        return 1;
    default:
        return -1;
    }
}

static void forget(Task *task)
{
    Py_XDECREF(task->coroutine);
    Py_XDECREF(task->result);
    PyMem_Free(task);
}

/* spawn(child, n, block): call `child` n times, and join them all after each `block`. */
static PyObject *spawn(PyObject *module, PyObject *arguments)
{
    PyObject *child, *yielded;
    Py_ssize_t n, block;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "Onn", &child, &n, &block))
        return NULL;
    for (; n > 0; n -= block) {
        Task *first = NULL, **last = &first;
        int failed = 0;
        for (Py_ssize_t i = 0; i < block && !failed; i++) {
            *last = spawn_task(PyObject_CallNoArgs(child));
            failed = !*last;
            if (!failed)
                last = &(*last)->next;
        }
        while (first) {
            Task *task = first;
            first = task->next;
            failed = failed || step(task, &yielded) != 1;
            forget(task);
        }
        if (failed) {
            if (!PyErr_Occurred())
                PyErr_SetString(PyExc_RuntimeError, "a child has to end at once");
            return NULL;
        }
    }
    Py_RETURN_NONE;
}

/* --- deadlines: a binary heap --- */

static Task **heap;
static Py_ssize_t waiting, room;

static int push(Task *task)
{
    if (waiting == room) {
        Py_ssize_t wanted = room ? 2 * room : 64;
        Task **larger = PyMem_Realloc(heap, (size_t)wanted * sizeof *heap);
        if (!larger)
            return -1;
        heap = larger;
        room = wanted;
    }
    Py_ssize_t place = waiting++;
    while (place && heap[(place - 1) / 2]->deadline > task->deadline) {
        heap[place] = heap[(place - 1) / 2];
        place = (place - 1) / 2;
    }
    heap[place] = task;
    return 0;
}

static Task *pop(void)
{
    Task *earliest = heap[0], *moved = heap[--waiting];
    Py_ssize_t place = 0, below;
    while ((below = 2 * place + 1) < waiting) {
        if (below + 1 < waiting && heap[below + 1]->deadline < heap[below]->deadline)
            below++;
        if (moved->deadline <= heap[below]->deadline)
            break;
        heap[place] = heap[below];
        place = below;
    }
    heap[place] = moved;
    return earliest;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* sleepers(nap, delays): a task nap(delay) for each, stepped again in the order of their
 * deadlines. Nobody really waits. */
static PyObject *sleepers(PyObject *module, PyObject *arguments)
{
    PyObject *nap, *delays, *delay, *yielded, *iterator;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "OO", &nap, &delays))
        return NULL;
    if (!(iterator = PyObject_GetIter(delays)))
        return NULL;
    while ((delay = PyIter_Next(iterator))) {
        Task *task = spawn_task(PyObject_CallOneArg(nap, delay));
        Py_DECREF(delay);
        if (!task || step(task, &yielded))
            break;
        task->deadline = now() + ((Once *)yielded)->delay;
        Py_DECREF(yielded);
        if (push(task) < 0)
            break;
    }
    Py_DECREF(iterator);
    while (waiting) {
        Task *task = pop();
        int ended = step(task, &yielded);
        forget(task);
        if (ended != 1)
            break;
    }
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

/* timeout(seconds, n): a deadline is set and withdrawn again, n times. */
static PyObject *timeout(PyObject *module, PyObject *arguments)
{
    double seconds;
    Py_ssize_t n;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "dn", &seconds, &n))
        return NULL;
    for (; n > 0; n--) {
        Task *scope = PyMem_Calloc(1, sizeof *scope);
        if (!scope)
            return PyErr_NoMemory();
        scope->deadline = now() + seconds;
        if (push(scope) < 0) {
            PyMem_Free(scope);
            return PyErr_NoMemory();
        }
        PyMem_Free(pop());
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"once", once, METH_O, NULL},
    {"spawn", spawn, METH_VARARGS, NULL},
    {"sleepers", sleepers, METH_VARARGS, NULL},
    {"timeout", timeout, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "native_tasks",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit_native_tasks(void)
{
    return PyType_Ready(&OnceType) < 0 ? NULL : PyModule_Create(&definition);
}
