/* What is Python's of the calls that guests make to other servers. */
#pragma once
#include "headers.h"

/* Begins an HTTP call for the plugin context `root` of the VM with serial `vm`; `timeout` in milliseconds, 0 = the longest
 * there may be. The maps are Python's from here on, whatever it returns (`trailers` may be NULL); the bytes are the
 * guest's and good during the call only. Returns a Status, with OK the call's number in *token. Never raises. */
int32_t sw_http_call(uint32_t vm, uint32_t root, const char *upstream, size_t upstream_length, sw_headers *headers,
                     const char *body, size_t body_length, sw_headers *trailers, uint32_t timeout, uint32_t *token);
