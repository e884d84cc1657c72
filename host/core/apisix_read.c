/* What an APISIX plugin runner sends: see apisix.h. The tables are ext-plugin-proto's; writers order and pad fields as
 * they like. */
#include "apisix.h"

const char *sw_apisix_fault_text(int fault) {
    static const char *const texts[] = {"",
#define X(name, text) text,
                                        SW_APISIX_FAULTS(X)
#undef X
    };
    return fault > 0 && (size_t)fault < sizeof texts / sizeof *texts ? texts[fault] : "unknown fault";
}

/* One frame that is being read. */
typedef struct {
    sw_flat_message flat;
    sw_apisix_message *into;
    uint32_t entries, entry_bytes;
    int fault; /* the first that is not one of the FlatBuffer */
} frame_t;

static void fail(frame_t *frame, int fault) {
    if (!frame->fault) frame->fault = fault;
}

/* name 0, value 1 */
static void read_entry(frame_t *frame, const sw_flat_table *table) {
    sw_flat_bytes name = sw_flat_bytes_in(&frame->flat, table, 0), value = sw_flat_bytes_in(&frame->flat, table, 1);
    uint64_t bytes = (uint64_t)frame->entry_bytes + name.length + value.length;
    if (!name.at) return fail(frame, SW_APISIX_NAMELESS);
    if (frame->entries == SW_APISIX_MOST_ENTRIES || bytes > SW_APISIX_MOST_ENTRY_BYTES) return fail(frame, SW_APISIX_TOO_MANY);
    uint32_t *entry = frame->into->entries + 4 * (size_t)frame->entries++;
    entry[0] = name.at;
    entry[1] = name.length;
    entry[2] = value.at;
    entry[3] = value.length;
    frame->entry_bytes = (uint32_t)bytes;
}

static uint32_t read_entries(frame_t *frame, const sw_flat_table *table, unsigned slot) {
    uint32_t at, count = sw_flat_vector_in(&frame->flat, table, slot, &at), before = frame->entries;
    for (uint32_t i = 0; i < count && !frame->fault && !frame->flat.is_malformed; i++) {
        sw_flat_table entry;
        if (sw_flat_table_of(&frame->flat, at + 4 * i, &entry)) read_entry(frame, &entry);
    }
    return frame->entries - before;
}

static void read_body(frame_t *frame, const sw_flat_table *table, unsigned slot) {
    sw_flat_bytes body = sw_flat_bytes_in(&frame->flat, table, slot);
    frame->into->body_at = body.at;
    frame->into->body_length = body.length;
}

static void read_text(frame_t *frame, const sw_flat_table *table, unsigned slot) {
    sw_flat_bytes text = sw_flat_bytes_in(&frame->flat, table, slot);
    frame->into->path_at = text.at;
    frame->into->path_length = text.length;
}

/* Stop: status 0, headers 1, body 2. Rewrite: path 0, headers 1, args 2, resp_headers 3, body 4. */
static void read_action(frame_t *frame, const sw_flat_table *table) {
    if (frame->into->number == SW_APISIX_STOP) {
        frame->into->status = sw_flat_number(&frame->flat, table, 0, 2);
        frame->into->headers = read_entries(frame, table, 1);
        read_body(frame, table, 2);
        return;
    }
    read_text(frame, table, 0);
    frame->into->headers = read_entries(frame, table, 1);
    frame->into->args = read_entries(frame, table, 2);
    frame->into->response_headers = read_entries(frame, table, 3);
    read_body(frame, table, 4);
}

/* HTTPReqCall.Resp: id 0, action_type 1, action 2 */
static void read_request_reply(frame_t *frame, const sw_flat_table *root) {
    sw_flat_table action;
    frame->into->id = sw_flat_number(&frame->flat, root, 0, 4);
    frame->into->number = sw_flat_number(&frame->flat, root, 1, 1);
    if (frame->into->number == SW_APISIX_NO_ACTION) return;
    if (frame->into->number > SW_APISIX_REWRITE) return fail(frame, SW_APISIX_UNKNOWN_ACTION);
    if (sw_flat_table_in(&frame->flat, root, 2, &action)) read_action(frame, &action);
    else fail(frame, SW_APISIX_NO_ACTION_TABLE);
}

/* ExtraInfo.Req: info_type 0, info 1, of which a variable's (1) has a name 0 */
static void read_information(frame_t *frame, const sw_flat_table *root) {
    sw_flat_table information;
    frame->into->number = sw_flat_number(&frame->flat, root, 0, 1);
    if (frame->into->number == 1 && sw_flat_table_in(&frame->flat, root, 1, &information)) read_text(frame, &information, 0);
}

/* HTTPRespCall.Resp: id 0, status 1, headers 2, body 3 */
static void read_response_reply(frame_t *frame, const sw_flat_table *root) {
    frame->into->id = sw_flat_number(&frame->flat, root, 0, 4);
    frame->into->status = sw_flat_number(&frame->flat, root, 1, 2);
    frame->into->headers = read_entries(frame, root, 2);
    read_body(frame, root, 3);
}

/* The Python runner answers what fails by an error's table in a frame of the request's own type: a single field, of one
 * byte, where that type's own table has one of four. */
static bool is_error_table(const sw_flat_message *message, const sw_flat_table *root) {
    if (root->vtable_length != 6) return false;
    uint32_t offset = message->data[root->vtable + 4] | (uint32_t)message->data[root->vtable + 5] << 8;
    return offset && offset + 4 > root->size;
}

int sw_apisix_read(int type, const char *payload, size_t length, sw_apisix_message *message) {
    message->id = message->number = message->is_error = message->status = 0;
    message->path_at = message->path_length = message->body_at = message->body_length = 0;
    message->headers = message->args = message->response_headers = 0;
    if (type < SW_APISIX_ERROR || type > SW_APISIX_RESPONSE_CALL) return SW_APISIX_UNKNOWN_TYPE;
    if (length > SW_APISIX_MOST_PAYLOAD) return SW_APISIX_TOO_LARGE;
    frame_t frame = {.flat = {.data = (const unsigned char *)payload, .length = (uint32_t)length}, .into = message};
    sw_flat_table root;
    if (!sw_flat_root(&frame.flat, &root)) return SW_APISIX_MALFORMED;
    if (type != SW_APISIX_EXTRA_INFO && is_error_table(&frame.flat, &root)) type = SW_APISIX_ERROR;
    message->is_error = type == SW_APISIX_ERROR;
    switch (type) {
    case SW_APISIX_ERROR: message->number = sw_flat_number(&frame.flat, &root, 0, 1); break;
    case SW_APISIX_PREPARE_CONF: message->number = sw_flat_number(&frame.flat, &root, 0, 4); break;
    case SW_APISIX_REQUEST_CALL: read_request_reply(&frame, &root); break;
    case SW_APISIX_EXTRA_INFO: read_information(&frame, &root); break;
    default: read_response_reply(&frame, &root);
    }
    return frame.flat.is_malformed ? SW_APISIX_MALFORMED : frame.fault;
}
