// Build: asc index.ts -b plugin.wasm --use abort=abort_proc_exit --optimize
// (../../toolchains/assemblyscript.sh gives the compiler.)
//
// A plugin in AssemblyScript, which starts in the module's start section and takes proc_exit from wasi_unstable. Its
// configuration is a text, which becomes the response header x-as-wasm ("yes" when there is none); "abort" aborts in
// request_headers. It logs :path and :status.
export * from "@solo-io/proxy-runtime/proxy";
import {
  Context, FilterHeadersStatusValues, LogLevelValues, RootContext, log, registerRootContext, stream_context
} from "@solo-io/proxy-runtime";
import { BufferTypeValues, get_buffer_bytes } from "@solo-io/proxy-runtime/runtime";

class Root extends RootContext {
  text: string = "";

  // The SDK's own onConfigure passes the size where the address of a result belongs, and so finds no configuration.
  onConfigure(size: u32): bool {
    this.text = String.UTF8.decode(get_buffer_bytes(BufferTypeValues.PluginConfiguration, 0, size));
    return true;
  }

  createContext(id: u32): Context {
    return new Stream(id, this);
  }
}

class Stream extends Context {
  root: Root;

  constructor(id: u32, root: Root) {
    super(id, root);
    this.root = root;
  }

  onRequestHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    log(LogLevelValues.info, "request " + stream_context.headers.request.get(":path"));
    assert(this.root.text != "abort", "asked for by the configuration");
    return FilterHeadersStatusValues.Continue;
  }

  onResponseHeaders(count: u32, end: bool): FilterHeadersStatusValues {
    const text = this.root.text;
    stream_context.headers.response.replace("x-as-wasm", text == "" ? "yes" : text);
    log(LogLevelValues.info, "response " + stream_context.headers.response.get(":status"));
    return FilterHeadersStatusValues.Continue;
  }

  onLog(): void {
    log(LogLevelValues.info, "log");
  }
}

registerRootContext((id: u32) => new Root(id), "");
