//! How many calls a second the stand-ins answer, and what each costs them:
//! `cargo run --release -p stand-ins --example capacity -- ADDRESS [CONNECTIONS] [SECONDS]`.
//!
//! Sends one PutItem of the sync over and over, each to another key, on connections that stay open, without a client's
//! marshalling, signing and parsing: what is measured is the stand-in, and the kernel between. It prints calls a second; the
//! CPU time is read by whoever started the stand-ins.

use std::io;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A PutItem of the sync, word for word.
const UPSERT: &str = include_str!("../fixtures/upsert.json");
/// What is replaced in it by another text of the same length.
const KEY: &str = "TRANSACTIONS#00000000";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4599".to_owned());
    let connections: u32 = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(64);
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(5);
    let end = Instant::now() + Duration::from_secs(seconds);
    let clients: Vec<_> = (0..connections).map(|n| tokio::spawn(client(address.clone(), n, end))).collect();
    let mut calls = 0;
    for client in clients {
        calls += client.await??;
    }
    println!("{calls} calls on {connections} connections in {seconds} s: {} a second", calls / seconds);
    Ok(())
}

/// Calls one after the other until the time is over; how many.
async fn client(address: String, number: u32, end: Instant) -> io::Result<u64> {
    let mut connection = TcpStream::connect(&address).await?;
    connection.set_nodelay(true)?;
    let mut answer = vec![0; 4_096];
    let mut calls = 0;
    while Instant::now() < end {
        let key = format!("TRANSACTIONS#{number:02x}{:06x}", calls % 0x100_0000);
        let body = UPSERT.replace(KEY, &key);
        let request = format!(
            "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: DynamoDB_20120810.PutItem\r\n\
             content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        connection.write_all(request.as_bytes()).await?;
        let length = connection.read(&mut answer).await?;
        if !answer[..length].starts_with(b"HTTP/1.1 200") {
            return Err(io::Error::other(String::from_utf8_lossy(&answer[..length]).into_owned()));
        }
        calls += 1;
    }
    Ok(calls)
}
