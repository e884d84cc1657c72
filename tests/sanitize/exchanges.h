/* Exchanges and connections under test: what they were given, what left them, and what must hold after every event. */
#pragma once
#include "harness.h"

enum { MOST_EXCHANGES = 4, MOST_FILTERS = 4 };

typedef struct {
    sw_stream *stream;
    uint32_t owner;
    bool is_connection, is_open, is_passive, is_reset, is_local, is_closing;
    bool head_out[SW_SIDES], end_out[SW_SIDES], started[SW_SIDES], ended[SW_SIDES];
    size_t in[SW_SIDES], out[SW_SIDES];
} exchange;

extern exchange exchanges[MOST_EXCHANGES];

void exchange_open(exchange *e, const sw_chain *chain, bool is_passive);
void exchange_close(exchange *e);
/* One event at random: mostly what an HTTP connection would bring next, sometimes what it never should. */
void exchange_event(exchange *e);
void exchange_settle(exchange *e);
/* Settles whoever was woken, as the loop does behind each event. */
void settle_woken(void);
/* A passive exchange whose input is complete gets through when every pause is ended. */
void exchange_must_finish(exchange *e);
