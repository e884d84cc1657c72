/* What the files of the module `_hot` have in common. */
#pragma once
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030b0000
#include <Python.h>

#include <stdbool.h>

#include "passage.h"

/* Whether a function got as many arguments as it takes; else the exception is set. */
bool sw_hot_takes(const char *function, Py_ssize_t count, Py_ssize_t expected);

/* What was received, as the judge takes it. */
typedef struct {
    sw_judge *judge;
    int64_t request;
    char *data;
    size_t at, length;
} sw_hot_received;

/* Reads judge, flags of the request, data, at; false with the exception set. */
bool sw_hot_read_received(sw_hot_received *from, PyObject *const *arguments);

/* callouts.c */
PyObject *sw_hot_serve_http_calls(PyObject *self, PyObject *begin);
PyObject *sw_hot_take_call_response(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
PyObject *sw_hot_deliver_http_call(PyObject *self, PyObject *const *arguments, Py_ssize_t count);
