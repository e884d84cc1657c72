/* Frames between a gateway and an APISIX plugin runner.
 *
 * https://github.com/apache/apisix/blob/master/docs/en/latest/internal/plugin-runner.md: one byte of type, three of length
 * (big endian), then a FlatBuffer with the tables of ext-plugin-proto. What a runner sends is some plugin author's bytes:
 * reading them checks everything and allocates nothing. */
#pragma once
#include "flatbuffer.h"
#include "headers.h"

enum { SW_APISIX_HEADER = 4, SW_APISIX_MOST_PAYLOAD = 0xffffff };
enum {
    SW_APISIX_ERROR,
    SW_APISIX_PREPARE_CONF,
    SW_APISIX_REQUEST_CALL,
    SW_APISIX_EXTRA_INFO,
    SW_APISIX_RESPONSE_CALL,
};
enum { SW_APISIX_NO_ACTION, SW_APISIX_STOP, SW_APISIX_REWRITE };

#define SW_APISIX_FAULTS(X) \
    X(NO_MEMORY, "memory is out") \
    X(TOO_LARGE, "it would be larger than 16 MiB") \
    X(UNKNOWN_METHOD, "the protocol does not know the request's method") \
    X(UNKNOWN_TYPE, "a type of frame that the protocol does not know") \
    X(MALFORMED, "it is no FlatBuffer: an offset or a length leads out of it") \
    X(UNKNOWN_ACTION, "an action that the protocol does not know") \
    X(NO_ACTION_TABLE, "an action without its table") \
    X(NAMELESS, "an entry without a name") \
    X(TOO_MANY, "more entries than are taken, or larger ones")
enum {
    SW_APISIX_FINE,
#define X(name, text) SW_APISIX_##name,
    SW_APISIX_FAULTS(X)
#undef X
};
const char *sw_apisix_fault_text(int fault);

/* --- what a runner sends --- */

/* The most entries of one frame, and the most bytes of them together: they may all lead to the same bytes. */
enum { SW_APISIX_MOST_ENTRIES = 4096, SW_APISIX_MOST_ENTRY_BYTES = 1 << 24 };

/* All are numbers of 32 bits, so that Python takes them with one call; `…_at` are offsets in the payload, 0 = absent. */
typedef struct {
    uint32_t id;
    uint32_t number; /* code of an error, token of a configuration, action of a request, type of information */
    uint32_t is_error; /* number is an error's code: the frame is one of SW_APISIX_ERROR, or has its table */
    uint32_t status;
    uint32_t path_at, path_length; /* or the name of a variable */
    uint32_t body_at, body_length;
    uint32_t headers, args, response_headers; /* how many of the entries, which come in this order */
    uint32_t entries[4 * SW_APISIX_MOST_ENTRIES]; /* name_at, name_length, value_at, value_length each */
} sw_apisix_message;

/* Returns 0 or a fault. */
int sw_apisix_read(int type, const char *payload, size_t length, sw_apisix_message *message);

/* --- what the gateway sends: each returns 0, and the frame lies at writer->frame, or a fault --- */

typedef struct {
    sw_flat_writer flat;
    sw_flat_place *entries; /* tables that wait for their vector */
    size_t count, capacity;
    const char *frame; /* good until the next call */
    size_t frame_length;
} sw_apisix_writer;

sw_apisix_writer *sw_apisix_writer_new(void);
void sw_apisix_writer_delete(sw_apisix_writer *writer);
/* A plugin's name and configuration come one after the other, then the frame that ends them. */
void sw_apisix_begin_conf(sw_apisix_writer *writer);
void sw_apisix_add_conf(sw_apisix_writer *writer, const char *name, size_t name_length, const char *value, size_t value_length);
int sw_apisix_write_conf(sw_apisix_writer *writer, const char *key, size_t key_length);

typedef struct {
    uint32_t id, token;
    const char *address; /* 4 or 16 bytes */
    size_t address_length;
    bool has_bare_arguments; /* `?a` is sent without a value, else with an empty one */
} sw_apisix_call;

/* `headers` with pseudo-headers, as the core has them. */
int sw_apisix_write_request_call(sw_apisix_writer *writer, const sw_headers *headers, const sw_apisix_call *call);
int sw_apisix_write_response_call(sw_apisix_writer *writer, const sw_headers *headers, uint32_t id, uint32_t token);
/* `result` NULL: there is none. */
int sw_apisix_write_extra_info(sw_apisix_writer *writer, const char *result, size_t length);
