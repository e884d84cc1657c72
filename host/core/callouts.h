/* What is Python's of the calls that guests make to other servers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An HTTP call: what the guest gave, and the head that is to be sent for it. All of it is good during the call only. */
typedef struct {
    const char *upstream, *pairs, *body, *trailers; /* pairs and trailers as the ABI has them; no trailers: no bytes */
    size_t upstream_length, pairs_length, body_length, trailers_length;
    const char *head;
    size_t head_length;
    int64_t framing;    /* what the head says of the content, as the writer takes it */
    int64_t flags;      /* the judge's, for the response */
    bool is_https;      /* what :scheme says */
    uint32_t timeout;   /* milliseconds; 0 = the longest there may be */
} sw_http_request;

/* Begins an HTTP call for the plugin context `root` of the VM with serial `vm`. Returns a Status, with OK the call's number
 * in *token. Never raises. In cpython/callouts.c. */
int32_t sw_http_call(uint32_t vm, uint32_t root, const sw_http_request *request, uint32_t *token);
