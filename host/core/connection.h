/* One TCP connection through a chain of filters: the events that an exchange does not have.
 *
 * It is a sw_stream without heads. Its request side is what comes from downstream, its response side what comes from
 * upstream, and both pass the filters as bodies do (passes.h). What is the head of a request is here the new connection:
 * SW_REQUEST_HEAD says that the upstream may be connected. SW_CLOSE says that a filter has closed the connection: what
 * has left is to be sent, and nothing comes in any more. */
#pragma once
#include "stream.h"

int sw_connection_open(sw_stream *stream, uint32_t owner, const sw_chain *chain, const sw_peer *client);
uint32_t sw_connection_on_new(sw_stream *stream);
uint32_t sw_connection_on_data(sw_stream *stream, int side, const char *data, size_t length, bool end_of_stream);
/* A side is closed: `peer` is the ABI's, 0 unknown, 1 local (by us), 2 remote. Told once of each side. */
uint32_t sw_connection_on_close(sw_stream *stream, int side, uint32_t peer);
/* A filter closes the connection, once its callback has returned. */
void sw_connection_close(sw_stream *stream);
int sw_native_close(sw_stream *stream);
