// Build: cargo build --release --target wasm32-wasip1, and in ../rust_unknown --target wasm32-unknown-unknown
// (../../toolchains/rust.sh gives the compiler and its flags).
//
//! A plugin in Rust, which does by its configuration, a text of lines, what each line says:
//!
//!     request-header NAME VALUE     set in the request
//!     response-header NAME VALUE    set in the response
//!     answer CODE TEXT              a local response in request_headers
//!     panic                         in request_headers
//!
//! It logs the headers of both directions, and the end of each stream.

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Trace);
    proxy_wasm::set_root_context(|_| Box::new(Root { lines: Vec::new() }));
}}

#[derive(Clone)]
enum Line {
    RequestHeader(String, String),
    ResponseHeader(String, String),
    Answer(u32, String),
    Panic,
}

fn parse(line: &str) -> Option<Line> {
    let mut words = line.splitn(3, ' ');
    let (verb, first, rest) = (words.next()?, words.next(), words.next());
    match (verb, first, rest) {
        ("request-header", Some(name), Some(value)) => Some(Line::RequestHeader(name.into(), value.into())),
        ("response-header", Some(name), Some(value)) => Some(Line::ResponseHeader(name.into(), value.into())),
        ("answer", Some(code), text) => Some(Line::Answer(code.parse().ok()?, text.unwrap_or("").into())),
        ("panic", None, None) => Some(Line::Panic),
        _ => None,
    }
}

struct Root {
    lines: Vec<Line>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _size: usize) -> bool {
        let configuration = self.get_plugin_configuration().unwrap_or_default();
        let Ok(text) = String::from_utf8(configuration) else {
            log::error!("the configuration is not UTF-8");
            return false;
        };
        for line in text.lines().filter(|line| !line.is_empty()) {
            match parse(line) {
                Some(parsed) => self.lines.push(parsed),
                None => {
                    log::error!("not understood: {line}");
                    return false;
                }
            }
        }
        true
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream { lines: self.lines.clone() }))
    }
}

struct Stream {
    lines: Vec<Line>,
}

impl Context for Stream {
    fn on_done(&mut self) -> bool {
        log::info!("done");
        true
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for line in &self.lines {
            match line {
                Line::RequestHeader(name, value) => self.set_http_request_header(name, Some(value)),
                Line::Answer(code, text) => {
                    self.send_http_response(*code, vec![("x-rust-wasm", "answered")], Some(text.as_bytes()));
                    return Action::Pause;
                }
                Line::Panic => panic!("asked for by the configuration"),
                Line::ResponseHeader(..) => {}
            }
        }
        for (name, value) in self.get_http_request_headers() {
            log::info!("request header --> {name}: {value}");
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for line in &self.lines {
            if let Line::ResponseHeader(name, value) = line {
                self.set_http_response_header(name, Some(value));
            }
        }
        for (name, value) in self.get_http_response_headers() {
            log::info!("response header <-- {name}: {value}");
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        log::info!("log");
    }
}
