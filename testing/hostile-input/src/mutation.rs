//! Random mutations of inputs. For mutations guided by coverage see `make fuzz`.

use fastrand::Rng;

/// Tokens that are difficult for JSON parsers, and names of members that the product reads.
const TOKENS: [&[u8]; 44] = [
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\"",
    b"\\",
    b"null",
    b"true",
    b"-",
    b"0",
    b"1e999999999",
    b"-0.0",
    b"1E+5",
    b"123456789012345678901234567890123456789",
    b"18446744073709551616",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\u0000",
    b"\xef\xbb\xbf",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xe2\x80\xae",
    b"\xff",
    b"\"\":",
    b"\"id\":",
    b"\"a.b\":",
    b"\"account\":",
    b"\"data\":",
    b"\"link_id\":",
    b"\"webhook_type\":",
    b"\"external_id\":",
    b"\"deleted_x\":[",
    b"\"updated_x\":[",
    b"\"next\":",
    b"\"count\":",
    b"\"results\":[",
    b"\"code\":",
    b"\"listing\":",
    b"\"page\":",
    b"\"v\":1",
    b"2024-02-29",
    b" minute",
];
/// The maximum size of a mutated input, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// Returns one of the inputs with up to eight mutations. Some insert a part of another input.
pub fn mutated(inputs: &[Vec<u8>], random: &mut Rng) -> Vec<u8> {
    let mut input = random.choice(inputs).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..=8) {
        let at = random.usize(0..=input.len());
        let end = random.usize(at..=input.len().min(at + 64));
        match random.u8(0..6) {
            0 => insert(&mut input, at, random.choice(&TOKENS).copied().unwrap_or_default()),
            1 => drop(input.drain(at..end)),
            2 => {
                let copied = input[at..end].to_vec();
                insert(&mut input, at, &copied);
            }
            3 => input.get_mut(at).into_iter().for_each(|byte| *byte = random.u8(..)),
            4 => insert(&mut input, at, &[random.u8(b' '..=b'~')]),
            _ => {
                let other = random.choice(inputs).map_or(&[][..], Vec::as_slice);
                let from = random.usize(0..=other.len());
                insert(&mut input, at, &other[from..random.usize(from..=other.len().min(from + 256))]);
            }
        }
    }
    input.truncate(MAX_BYTES);
    input
}

fn insert(input: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    input.splice(at..at, bytes.iter().copied());
}
