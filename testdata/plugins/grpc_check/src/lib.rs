// Build: cargo build --release --target wasm32-wasip1
//
// Asks a gRPC server about each request, and lets it pass with the answer in a field, or answers 403 with the reason.
// The plugin's configuration names the server as the host knows it; x-grpc-method says which method of test.Echo is
// called. A path below /stream opens a stream instead, sends three messages, and passes on what came of it.

use log::info;
use proxy_wasm::traits::*;
use proxy_wasm::types::*;
use std::time::Duration;

proxy_wasm::main! {{
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| -> Box<dyn RootContext> { Box::new(Root { server: String::new() }) });
}}

struct Root {
    server: String,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _: usize) -> bool {
        self.server = String::from_utf8(self.get_plugin_configuration().unwrap_or_default()).unwrap_or_default();
        !self.server.is_empty()
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Check { server: self.server.clone(), heard: Vec::new() }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Check {
    server: String,
    heard: Vec<String>,
}

impl Check {
    fn refuse(&self, reason: &str) -> Action {
        self.send_http_response(403, vec![], Some(reason.as_bytes()));
        Action::Pause
    }

    fn call(&self, path: &str) -> Action {
        let method = self.get_http_request_header("x-grpc-method").unwrap_or("Unary".to_string());
        let metadata = vec![("x-test", "from the plugin".as_bytes())];
        let timeout = Duration::from_millis(500);
        let message = Some(path.as_bytes());
        match self.dispatch_grpc_call(&self.server, "test.Echo", &method, metadata, message, timeout) {
            Ok(_) => Action::Pause,
            Err(status) => self.refuse(&format!("not called: {:?}", status)),
        }
    }

    fn stream(&self) -> Action {
        match self.open_grpc_stream(&self.server, "test.Echo", "Chat", vec![]) {
            Ok(token) => {
                for message in ["one", "two", "three"] {
                    self.send_grpc_stream_message(token, Some(message.as_bytes()), message == "three");
                }
                Action::Pause
            }
            Err(status) => self.refuse(&format!("not opened: {:?}", status)),
        }
    }
}

impl HttpContext for Check {
    fn on_http_request_headers(&mut self, _: usize, _: bool) -> Action {
        let path = self.get_http_request_header(":path").unwrap_or_default();
        if path.starts_with("/stream") {
            self.stream()
        } else {
            self.call(&path)
        }
    }
}

impl Context for Check {
    fn on_grpc_call_response(&mut self, _: u32, status: u32, size: usize) {
        if status != 0 {
            let (code, message) = self.get_grpc_status();
            self.refuse(&format!("{}: {}", code, message.unwrap_or_default()));
            return;
        }
        let answer = self.get_grpc_call_response_body(0, size).unwrap_or_default();
        self.set_http_request_header("x-grpc-answer", Some(&String::from_utf8_lossy(&answer)));
        self.resume_http_request();
    }

    fn on_grpc_stream_initial_metadata(&mut self, _: u32, _: u32) {
        let status = self.get_grpc_stream_initial_metadata_value(":status").unwrap_or_default();
        self.heard.push(format!("began {}", String::from_utf8_lossy(&status)));
    }

    fn on_grpc_stream_message(&mut self, _: u32, size: usize) {
        let message = self.get_grpc_stream_message(0, size).unwrap_or_default();
        self.heard.push(String::from_utf8_lossy(&message).to_string());
    }

    fn on_grpc_stream_trailing_metadata(&mut self, _: u32, _: u32) {
        let status = self.get_grpc_stream_trailing_metadata_value("grpc-status").unwrap_or_default();
        self.heard.push(format!("trailing {}", String::from_utf8_lossy(&status)));
    }

    fn on_grpc_stream_close(&mut self, _: u32, status: u32) {
        self.heard.push(format!("closed {}", status));
        info!("stream: {}", self.heard.join(", "));
        self.set_http_request_header("x-grpc-answer", Some(&self.heard.join(", ")));
        self.resume_http_request();
    }
}
