/* Loading the engine, and the clock that bounds guest calls: see engine.h and clock.h. */
const char *sw_engine_load(const char *path);
int sw_clock_start(wasm_engine_t *engine);
void sw_clock_stop(void);
void sw_clock_bind_thread(void);
uint64_t sw_clock_ticks(void);
