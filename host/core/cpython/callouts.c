/* HTTP calls of guests: how Python hears of one (host/plugin/callouts.py), takes its response, and delivers it. */
#include "callouts.h"
#include "hot.h"

static PyObject *begin; /* Python's function for a call that a guest makes; under the GIL */

/* (function): from now on it is called for each call that a guest makes, with its arguments as below. It returns the call's
 * number, or a Status with its sign changed. */
PyObject *sw_hot_serve_http_calls(PyObject *self, PyObject *function) {
    PyObject *before = begin;
    Py_INCREF(function);
    begin = function;
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

enum { BEGIN_ARGUMENTS = 9 };

/* VM and plugin context in one number, upstream, head, framing and flags, content, and what else there is of it. */
static bool make_arguments(PyObject **arguments, uint32_t vm, uint32_t root, const sw_http_request *request) {
    arguments[0] = PyLong_FromUnsignedLongLong((unsigned long long)vm << 32 | root);
    arguments[1] = PyUnicode_DecodeUTF8(request->upstream, (Py_ssize_t)request->upstream_length, NULL);
    arguments[2] = PyBytes_FromStringAndSize(request->head, (Py_ssize_t)request->head_length);
    arguments[3] = PyLong_FromLongLong(request->framing);
    arguments[4] = PyLong_FromLongLong(request->flags);
    arguments[5] = PyBytes_FromStringAndSize(request->body, (Py_ssize_t)request->body_length);
    arguments[6] = PyLong_FromUnsignedLong(request->timeout);
    arguments[7] = PyBytes_FromStringAndSize(request->pairs, (Py_ssize_t)request->pairs_length);
    arguments[8] = PyBytes_FromStringAndSize(request->trailers, (Py_ssize_t)request->trailers_length);
    for (int i = 0; i < BEGIN_ARGUMENTS; i++)
        if (!arguments[i]) return false;
    return true;
}

static int32_t call_begin(uint32_t vm, uint32_t root, const sw_http_request *request, uint32_t *token) {
    PyObject *a[BEGIN_ARGUMENTS] = {NULL}, *result = NULL;
    if (begin && make_arguments(a, vm, root, request))
        result = PyObject_CallFunctionObjArgs(begin, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8],
                                              request->is_https ? Py_True : Py_False, NULL);
    for (int i = 0; i < BEGIN_ARGUMENTS; i++) Py_XDECREF(a[i]);
    long long number = result ? PyLong_AsLongLong(result) : 0;
    Py_XDECREF(result);
    if (PyErr_Occurred()) {
        bool is_no_text = PyErr_ExceptionMatches(PyExc_UnicodeDecodeError);
        if (is_no_text) PyErr_Clear();
        else PyErr_WriteUnraisable(begin);
        return is_no_text ? SW_BAD_ARGUMENT : SW_INTERNAL_FAILURE;
    }
    if (number <= 0) return number ? (int32_t)-number : SW_INTERNAL_FAILURE;
    *token = (uint32_t)number;
    return SW_OK;
}

int32_t sw_http_call(uint32_t vm, uint32_t root, const sw_http_request *request, uint32_t *token) {
    PyGILState_STATE state = PyGILState_Ensure(); /* some of who enter guests have given it up */
    int32_t status = call_begin(vm, root, request, token);
    PyGILState_Release(state);
    return status;
}

/* (judge, flags of the request, data, at, delivery, bytes of content that it may have): (head, whether all is there) */
PyObject *sw_hot_take_call_response(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    sw_hot_received from;
    if (!sw_hot_takes("take_call_response", count, 6) || !sw_hot_read_received(&from, arguments)) return NULL;
    sw_delivery *delivery = PyCapsule_GetPointer(arguments[4], "sw_delivery");
    size_t most = delivery ? PyLong_AsSize_t(arguments[5]) : 0;
    if (PyErr_Occurred()) return NULL;
    bool whole;
    int64_t head =
        sw_take_call_response(delivery, &whole, from.judge, from.data, from.at, from.length, from.request, most);
    return Py_BuildValue("LO", (long long)head, whole ? Py_True : Py_False);
}

/* (plugin context, delivery, number of the call): flags */
PyObject *sw_hot_deliver_http_call(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    if (!sw_hot_takes("deliver_http_call", count, 3)) return NULL;
    sw_context *root = PyCapsule_GetPointer(arguments[0], "sw_context");
    sw_delivery *delivery = root ? PyCapsule_GetPointer(arguments[1], "sw_delivery") : NULL;
    unsigned long token = delivery ? PyLong_AsUnsignedLong(arguments[2]) : 0;
    if (PyErr_Occurred()) return NULL;
    return PyLong_FromUnsignedLong(sw_deliver_http_call(root, delivery, (uint32_t)token));
}
