/* The calls that every request makes, as functions of CPython's own API: the module `_hot` (host/hot.py).
 *
 * cffi gives the GIL up and takes it again around each call, packs the arguments into a tuple and looks each of them up in
 * its types; for these calls that is more than what they do (bench/request_cost.py). Here is only the glue: arguments to C
 * and results to objects. Native objects come as capsules, so that a wrong one is an error and no crash. */
#include "hot.h"

#include <string.h>

static sw_buffer head; /* that is being written; under the GIL */

bool sw_hot_takes(const char *function, Py_ssize_t count, Py_ssize_t expected) {
    if (count == expected) return true;
    PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", function, expected, count);
    return false;
}

static sw_stream *stream_of(PyObject *capsule) { return PyCapsule_GetPointer(capsule, "sw_stream"); }

/* The bytes of a head that lies in `head`, and what follows it. */
static PyObject *message(const sw_passage *passage) {
    if (!passage->written) Py_RETURN_NONE;
    if (!passage->body_length) return PyBytes_FromStringAndSize(sw_buffer_bytes(&head), (Py_ssize_t)passage->written);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)passage->written + (Py_ssize_t)passage->body_length);
    char *place = bytes ? PyBytes_AsString(bytes) : NULL;
    if (!place) return NULL;
    memcpy(place, sw_buffer_bytes(&head), (size_t)passage->written);
    memcpy(place + passage->written, passage->body, passage->body_length);
    return bytes;
}

/* (address, name of its type) */
static PyObject *capsule(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    static const char *const types[] = {"sw_stream", "sw_judge", "sw_headers", "sw_chain",   "sw_peer",
                                        "sw_client", "sw_context", "sw_delivery"};
    if (!sw_hot_takes("capsule", count, 2)) return NULL;
    void *address = PyLong_AsVoidPtr(arguments[0]);
    const char *name = PyErr_Occurred() ? NULL : PyUnicode_AsUTF8AndSize(arguments[1], NULL);
    if (!name) return NULL;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(types[i], name)) return PyCapsule_New(address, types[i], NULL);
    return PyErr_Format(PyExc_ValueError, "no capsule is made of a %s", name);
}

/* (judge, headers, data, at): (head, (authority, method, path)) */
static PyObject *judge_request(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    if (!sw_hot_takes("judge_request", count, 4)) return NULL;
    sw_judge *judge = PyCapsule_GetPointer(arguments[0], "sw_judge");
    sw_headers *headers = judge ? PyCapsule_GetPointer(arguments[1], "sw_headers") : NULL;
    char *data;
    Py_ssize_t length, at = PyLong_AsSsize_t(arguments[3]);
    if (!headers || PyErr_Occurred() || PyBytes_AsStringAndSize(arguments[2], &data, &length)) return NULL;
    if (at < 0 || at > length) return PyErr_Format(PyExc_ValueError, "nothing is at %zd", at);
    int64_t result = sw_judge_request(judge, data, (size_t)at, (size_t)length, headers);
    if (result <= 0) return Py_BuildValue("LO", (long long)result, Py_None);
    size_t parts[3];
    const char *text = sw_target_of(headers, result, parts);
    return Py_BuildValue("L(y#y#y#)", (long long)result, text, (Py_ssize_t)parts[0], text + parts[0], (Py_ssize_t)parts[1],
                         text + parts[0] + parts[1], (Py_ssize_t)parts[2]);
}

/* (stream, its number, chain, peer or None, client, host): (flags, head or None) */
static PyObject *pass_request(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    if (!sw_hot_takes("pass_request", count, 6)) return NULL;
    sw_stream *stream = stream_of(arguments[0]);
    unsigned long number = stream ? PyLong_AsUnsignedLong(arguments[1]) : 0;
    const sw_chain *chain = stream ? PyCapsule_GetPointer(arguments[2], "sw_chain") : NULL;
    const sw_peer *peer = chain ? PyCapsule_GetPointer(arguments[3], "sw_peer") : NULL;
    const sw_client *client = peer ? PyCapsule_GetPointer(arguments[4], "sw_client") : NULL;
    char *host;
    Py_ssize_t host_length;
    if (!client || PyErr_Occurred() || PyBytes_AsStringAndSize(arguments[5], &host, &host_length)) return NULL;
    sw_passage passage;
    if (sw_pass_request(&passage, stream, (uint32_t)number, chain, peer, client, host, (size_t)host_length, &head))
        return PyErr_NoMemory();
    return Py_BuildValue("LN", (long long)passage.flags, message(&passage));
}

bool sw_hot_read_received(sw_hot_received *from, PyObject *const *arguments) {
    Py_ssize_t length, at = PyLong_AsSsize_t(arguments[3]);
    from->judge = PyErr_Occurred() ? NULL : PyCapsule_GetPointer(arguments[0], "sw_judge");
    from->request = from->judge ? PyLong_AsLongLong(arguments[1]) : 0;
    if (PyErr_Occurred() || PyBytes_AsStringAndSize(arguments[2], &from->data, &length)) return false;
    from->at = (size_t)at;
    from->length = (size_t)length;
    if (at >= 0 && at <= length) return true;
    PyErr_Format(PyExc_ValueError, "nothing is at %zd", at);
    return false;
}

/* (judge, flags of the request, data, at, headers): head */
static PyObject *judge_response(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    sw_hot_received from;
    if (!sw_hot_takes("judge_response", count, 5) || !sw_hot_read_received(&from, arguments)) return NULL;
    sw_headers *headers = PyCapsule_GetPointer(arguments[4], "sw_headers");
    if (!headers) return NULL;
    return PyLong_FromLongLong(sw_judge_response(from.judge, from.data, from.at, from.length, from.request, headers));
}

/* (judge, flags of the request, data, at, stream, flags for the writer, recounts): (head, flags, message or None) */
static PyObject *pass_response(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    sw_hot_received from;
    if (!sw_hot_takes("pass_response", count, 7) || !sw_hot_read_received(&from, arguments)) return NULL;
    sw_stream *stream = stream_of(arguments[4]);
    long flags = stream ? PyLong_AsLong(arguments[5]) : 0;
    int recounts = PyObject_IsTrue(arguments[6]);
    if (PyErr_Occurred()) return NULL;
    sw_passage passage;
    sw_pass_response(&passage, stream, from.judge, from.data, from.at, from.length, from.request, (int)flags, recounts, &head);
    return Py_BuildValue("LLN", (long long)passage.head, (long long)passage.flags, message(&passage));
}

/* (stream, client, host): (flags, head or None) */
static PyObject *settle_request(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    if (!sw_hot_takes("settle_request", count, 3)) return NULL;
    sw_stream *stream = stream_of(arguments[0]);
    const sw_client *client = stream ? PyCapsule_GetPointer(arguments[1], "sw_client") : NULL;
    char *host;
    Py_ssize_t host_length;
    if (!client || PyBytes_AsStringAndSize(arguments[2], &host, &host_length)) return NULL;
    sw_passage passage;
    sw_pass_settled(&passage, stream, client, host, (size_t)host_length, &head);
    return Py_BuildValue("LN", (long long)passage.flags, message(&passage));
}

/* (): number of a stream, or -1 */
static PyObject *next_woken(PyObject *self, PyObject *unused) { return PyLong_FromLongLong(sw_stream_next_woken()); }

/* (stream, peer) */
static PyObject *set_upstream(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    if (!sw_hot_takes("set_upstream", count, 2)) return NULL;
    sw_stream *stream = stream_of(arguments[0]);
    const sw_peer *peer = stream ? PyCapsule_GetPointer(arguments[1], "sw_peer") : NULL;
    if (!peer) return NULL;
    sw_stream_set_upstream(stream, peer);
    Py_RETURN_NONE;
}

/* (headers, name): the first value, or None */
static PyObject *header(PyObject *self, PyObject *const *arguments, Py_ssize_t count) {
    if (!sw_hot_takes("header", count, 2)) return NULL;
    const sw_headers *headers = PyCapsule_GetPointer(arguments[0], "sw_headers");
    char *name;
    Py_ssize_t name_length;
    if (!headers || PyBytes_AsStringAndSize(arguments[1], &name, &name_length)) return NULL;
    size_t length;
    const char *value = sw_headers_get(headers, name, (size_t)name_length, &length);
    if (!value) Py_RETURN_NONE;
    return PyBytes_FromStringAndSize(value, (Py_ssize_t)length);
}

/* (stream): flags */
static PyObject *close_stream(PyObject *self, PyObject *argument) {
    sw_stream *stream = stream_of(argument);
    return stream ? PyLong_FromUnsignedLong(sw_stream_close(stream)) : NULL;
}

#define FAST(name, function) {#name, (PyCFunction)(void (*)(void))function, METH_FASTCALL, NULL}
static PyMethodDef methods[] = {
    FAST(capsule, capsule),
    FAST(header, header),
    FAST(judge_request, judge_request),
    FAST(judge_response, judge_response),
    FAST(pass_request, pass_request),
    FAST(pass_response, pass_response),
    FAST(settle_request, settle_request),
    FAST(set_upstream, set_upstream),
    FAST(take_call_response, sw_hot_take_call_response),
    FAST(deliver_http_call, sw_hot_deliver_http_call),
    {"close_stream", close_stream, METH_O, NULL},
    {"next_woken", next_woken, METH_NOARGS, NULL},
    {"serve_http_calls", sw_hot_serve_http_calls, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "_hot", .m_methods = methods};

PyMODINIT_FUNC PyInit__hot(void);
PyMODINIT_FUNC PyInit__hot(void) { return PyModuleDef_Init(&definition); }
