/* Shared data of one process against a list of what they should hold. */
#include "harness.h"
#include "shared_data.h"

/* Keys are few, so that they meet. */
enum { KEYS = 40, MOST = 4000 };
typedef struct { bool there; size_t length; uint32_t cas; uint64_t expires; char byte; } shadow;

static size_t name_of(uint32_t i, char *key) {
    memset(key, (int)i, 40);
    return i; /* each of another length, one of them empty */
}

static void compare(sw_shared_data *data, const shadow *shadows, uint64_t now, bool may_have_evicted) {
    char key[64];
    for (uint32_t i = 0; i < KEYS; i++) {
        size_t key_length = name_of(i, key);
        bool there = shadows[i].there && (!shadows[i].expires || shadows[i].expires > now);
        sw_shared_value *value = sw_shared_data_find(data, key, key_length);
        CHECK(value ? there : (!there || may_have_evicted));
        if (!value) continue;
        CHECK(value->length == shadows[i].length && value->cas == shadows[i].cas);
        for (size_t k = 0; k < value->length; k++) CHECK(value->bytes[k] == shadows[i].byte);
        sw_shared_value_release(value);
    }
}

static void one_store(unsigned steps) {
    static char bytes[MOST];
    bool is_small = one_in(2);
    uint64_t now = 1000, ttl = one_in(2) ? 0 : 50;
    sw_shared_data *data = sw_shared_data_new(is_small ? MOST : 1 << 20, ttl);
    if (!data) return;
    sw_shared_data_set_time(data, now);
    shadow shadows[KEYS] = {0};
    for (unsigned step = 0; step < steps; step++) {
        char key[64];
        uint32_t i = chance(KEYS);
        size_t key_length = name_of(i, key), length = chance(is_small ? MOST : 200);
        shadow *s = &shadows[i];
        bool there = s->there && (!s->expires || s->expires > now);
        sw_shared_data_set_time(data, now += chance(5));
        there = there && (!s->expires || s->expires > now);
        if (one_in(10)) {
            uint64_t life = chance(3) * 20;
            if (sw_shared_data_expire(data, key, key_length, life)) s->expires = life ? now + life : 0;
            continue;
        }
        char byte = (char)chance(256);
        memset(bytes, byte, length);
        bool deletes = one_in(4);
        uint32_t cas = one_in(2) ? 0 : there && one_in(2) ? s->cas : chance(100);
        int32_t status = sw_shared_data_set(data, key, key_length, deletes ? NULL : bytes, length, cas);
        CHECK(status == SW_OK || status == SW_INTERNAL_FAILURE || (status == SW_CAS_MISMATCH && there && cas != s->cas));
        CHECK(status != SW_INTERNAL_FAILURE || memory_fails_one_in || (is_small && key_length + length + SW_SHARED_ENTRY_COST > MOST));
        if (status == SW_OK) {
            *s = (shadow){!deletes, length, 0, ttl ? now + ttl : 0, byte};
            sw_shared_value *value = sw_shared_data_find(data, key, key_length);
            CHECK(!value == deletes);
            if (value) s->cas = value->cas;
            sw_shared_value_release(value);
        }
        CHECK(sw_shared_data_size(data) <= (is_small ? MOST : 1 << 20));
        if (one_in(20)) compare(data, shadows, now, is_small);
        if (one_in(50)) sw_shared_value_release(sw_shared_data_keys(data));
    }
    compare(data, shadows, now, is_small);
    sw_shared_value *kept = sw_shared_data_find(data, "", 0); /* outlives its store */
    sw_shared_data_release(data);
    for (size_t k = 0; kept && k < kept->length; k++) CHECK(kept->bytes[k] == kept->bytes[0]);
    sw_shared_value_release(kept);
}

void fuzz_shared(unsigned rounds) {
    for (unsigned done = 0; done < rounds; done += 200) one_store(200);
}
