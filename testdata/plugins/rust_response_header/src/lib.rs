// Build: cargo build --release --target wasm32-wasip1 (../../toolchains/rust.sh gives the compiler and its flags).
//
//! custom_response_header in Rust: it replaces response headers by its configuration,
//! `{"headers": [{"name": "X-Go-Wasm", "value": "APISIX"}]}`.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};
use serde::Deserialize;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Warn);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}}

#[derive(Default, Deserialize)]
struct Configuration {
    #[serde(default)]
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: String,
}

#[derive(Default)]
struct Root {
    configuration: Rc<Configuration>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        match serde_json::from_slice(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(configuration) => {
                self.configuration = Rc::new(configuration);
                true
            }
            Err(error) => {
                log::error!("decoding the configuration: {error}");
                false
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { configuration: self.configuration.clone() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    configuration: Rc<Configuration>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for header in &self.configuration.headers {
            self.set_http_response_header(&header.name, Some(&header.value));
        }
        Action::Continue
    }
}
