//! Lambda's runtime API, Secrets Manager and SQS as the function's process sees them: one HTTP server.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

const SECRET: &str = r#"{"token":"local-webhook-token-for-sam-local-invoke-only"}"#;
/// How long an invocation may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running process of the function.
pub(crate) struct Function {
    process: Child,
    events: Sender<String>,
    /// What each invocation ended with: whether it succeeded, and the document.
    results: Receiver<(bool, Value)>,
}

/// What the connections share.
#[derive(Clone)]
struct Server {
    events: Arc<Mutex<Receiver<String>>>,
    results: Sender<(bool, Value)>,
}

struct HttpRequest {
    path: String,
    target: String,
    body: Vec<u8>,
}

impl Function {
    /// Starts the function.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (events, waiting) = channel();
        let (done, results) = channel();
        let server = Server { events: Arc::new(Mutex::new(waiting)), results: done };
        thread::spawn(move || {
            for connection in listener.incoming() {
                let server = server.clone();
                thread::spawn(move || server.serve(&connection.unwrap()));
            }
        });
        let process = Command::new(env!("CARGO_BIN_EXE_webhook"))
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "webhook")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_ENDPOINT_URL", format!("http://{address}"))
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "none")
            .env("AWS_SECRET_ACCESS_KEY", "none")
            .env("QUEUE_URL", format!("http://{address}/queue"))
            .env("WEBHOOK_SECRET_ARN", "webhook")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, events, results }
    }

    /// Invokes the function; gives the status that it answers, or the error with which the invocation fails.
    pub(crate) fn status_of(&mut self, event: &str) -> Result<u64, String> {
        self.events.send(event.to_owned()).unwrap();
        match self.results.recv_timeout(PATIENCE).unwrap() {
            (true, answer) => Ok(answer["statusCode"].as_u64().unwrap()),
            (false, error) => Err(error.to_string()),
        }
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    fn serve(&self, mut connection: &TcpStream) {
        let mut reader = BufReader::new(connection.try_clone().unwrap());
        while let Some(request) = read(&mut reader) {
            let Some(body) = self.answer(&request) else { return };
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nlambda-runtime-deadline-ms: \
                 9999999999999\r\nlambda-runtime-aws-request-id: id\r\n\r\n",
                body.len()
            );
            if connection.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_err() {
                return;
            }
        }
    }

    /// The body of the answer; none when the test is over.
    fn answer(&self, request: &HttpRequest) -> Option<String> {
        let last = request.path.rsplit('/').next().unwrap_or_default();
        Some(match (request.target.as_str(), last) {
            ("secretsmanager.GetSecretValue", _) => {
                json!({ "Name": "webhook", "SecretString": SECRET, "CreatedDate": 1.0 }).to_string()
            }
            ("AmazonSQS.SendMessageBatch", _) => json!({ "Successful": [], "Failed": [] }).to_string(),
            (_, "next") => self.events.lock().unwrap().recv().ok()?,
            (_, "response" | "error") => {
                let document = serde_json::from_slice(&request.body).unwrap();
                self.results.send((last == "response", document)).ok()?;
                "{}".to_owned()
            }
            _ => "{}".to_owned(),
        })
    }
}

fn read(reader: &mut impl BufRead) -> Option<HttpRequest> {
    let mut lines = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())))
        .collect();
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(HttpRequest { path, target: headers.get("x-amz-target").cloned().unwrap_or_default(), body })
}
