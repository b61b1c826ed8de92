//! The tokens of an expression.

use crate::fault::Fault;

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'e> {
    /// An attribute's name, a keyword or a function.
    Word(&'e str),
    /// `#name`, with its sign.
    Name(&'e str),
    /// `:value`, with its sign.
    Value(&'e str),
    /// Punctuation and comparators.
    Symbol(&'e str),
}

/// The longest first.
const SYMBOLS: [&str; 11] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", ",", "+", "-"];

/// Splits an expression. A dot is a symbol of its own, so that paths are seen as what they are.
pub(crate) fn tokens(expression: &str) -> Result<Vec<Token<'_>>, Fault> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let symbol = SYMBOLS.into_iter().chain(["."]).find(|symbol| rest.starts_with(symbol));
        let length = symbol.map_or_else(|| word_length(rest), str::len);
        let (token, after) = rest.split_at(length);
        tokens.push(match first {
            _ if symbol.is_some() => Token::Symbol(token),
            '#' if length > 1 => Token::Name(token),
            ':' if length > 1 => Token::Value(token),
            _ if length > 0 && first.is_ascii_alphabetic() => Token::Word(token),
            _ => return Err(Fault::validation(format!("not an expression that the stand-in knows: {expression}"))),
        });
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn word_length(text: &str) -> usize {
    let sign = usize::from(text.starts_with(['#', ':']));
    let end = text[sign..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    end.map_or(text.len(), |end| sign + end)
}
