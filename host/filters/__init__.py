"""The kinds of filter behind one interface (`host.chain.Filter`): wasm plugins, and filters written in Python."""
