//! How many calls a second the stand-ins answer, and what each costs them:
//! `cargo run --release -p stand-ins --example capacity -- ADDRESS [CONNECTIONS] [SECONDS]`.
//!
//! Sends one PutItem of the sync over and over, each to another key, on connections that stay open, without a client's
//! marshalling and parsing: what is measured is the stand-in, the kernel between, and what a signature needs to be hashed. It
//! prints calls a second, and its own CPU time for each: no client can take less. That of the stand-ins is read by whoever
//! started them.

use std::time::{Duration, Instant};
use std::{fs, hint, io};

use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A PutItem of the sync, word for word.
const UPSERT: &str = include_str!("../fixtures/upsert.json");
/// What is replaced in it by another text of the same length.
const KEY: &str = "TRANSACTIONS#00000000";
/// A signature of AWS's version 4 hashes the body, the canonical request of some 400 bytes, and five times a keyed hash,
/// each of two rounds over little more than the key.
const CANONICAL_BYTES: usize = 400;
const SHORT_HASHES: usize = 10;
const SHORT_BYTES: usize = 96;

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
    let us_per_call = cpu_ns()? / 1_000 / calls.max(1);
    println!(
        "{calls} calls on {connections} connections in {seconds} s: {} a second, {us_per_call} us of CPU for each",
        calls / seconds
    );
    Ok(())
}

/// CPU time of this thread, the only one, as the kernel counts it.
fn cpu_ns() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    text.split(' ').next().and_then(|ns| ns.parse().ok()).ok_or_else(|| io::Error::other("no CPU time"))
}

/// As much as a signature hashes.
fn hash(body: &str) {
    hint::black_box(Sha256::digest(body));
    hint::black_box(Sha256::digest([0; CANONICAL_BYTES]));
    for _ in 0..SHORT_HASHES {
        hint::black_box(Sha256::digest(hint::black_box([0; SHORT_BYTES])));
    }
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
        hash(&body);
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
