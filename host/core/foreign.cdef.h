/* Foreign functions: see calls_foreign.c. */
extern "Python+C" int32_t sw_call_foreign_function(uint32_t vm, uint32_t root, uint32_t context, int64_t stream, const char *name, size_t name_length, const char *arguments, size_t arguments_length, sw_buffer *result);
sw_context *sw_vm_find_context(const sw_vm *vm, uint32_t id);
int sw_context_declare(sw_context *root, const char *name, size_t length, bool read_only);
