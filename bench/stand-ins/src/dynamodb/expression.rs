//! Parsers of expressions: conditions, updates, projections. They support the part of DynamoDB's grammar that the functions use
//! and reject everything else.

use serde_json::value::RawValue;

use super::condition::{Comparator, Condition, Operand};
use super::item::Path;
use super::scope::Scope;
use super::tokens::{Token, tokens};
use super::update::{Action, NewValue};
use crate::fault::Fault;

/// The maximum depth of parentheses.
const MAX_DEPTH: usize = 20;

/// Parses a condition, of a write or of a query's keys.
pub(crate) fn condition<'a>(text: &str, scope: &Scope<'a>) -> Result<Condition<'a>, Fault> {
    let mut reader = Reader::new(text, scope)?;
    let condition = reader.any(0)?;
    reader.end().map(|()| condition)
}

/// Parses an update.
pub(crate) fn update<'a>(text: &str, scope: &Scope<'a>) -> Result<Vec<Action<'a>>, Fault> {
    let mut reader = Reader::new(text, scope)?;
    let mut actions = Vec::new();
    while let Some(token) = reader.next() {
        let Token::Word(clause) = token else { return Err(reader.unknown()) };
        loop {
            actions.push(reader.action(clause)?);
            if !reader.takes(",") {
                break;
            }
        }
    }
    Ok(actions)
}

/// Parses a projection: names, and members of maps.
pub(crate) fn projection(text: &str, scope: &Scope<'_>) -> Result<Vec<Path>, Fault> {
    let mut reader = Reader::new(text, scope)?;
    let mut paths = vec![reader.path()?];
    while reader.takes(",") {
        paths.push(reader.path()?);
    }
    let is_shallow = paths.iter().all(|path| path.0.len() <= 2);
    if is_shallow { reader.end().map(|()| paths) } else { Err(reader.unknown()) }
}

struct Reader<'e, 's, 'a> {
    text: &'e str,
    tokens: Vec<Token<'e>>,
    at: usize,
    scope: &'s Scope<'a>,
}

impl<'e, 's, 'a> Reader<'e, 's, 'a> {
    fn new(text: &'e str, scope: &'s Scope<'a>) -> Result<Self, Fault> {
        Ok(Self { text, tokens: tokens(text)?, at: 0, scope })
    }

    fn any(&mut self, depth: usize) -> Result<Condition<'a>, Fault> {
        let mut parts = vec![self.all(depth)?];
        while self.takes_word("OR") {
            parts.push(self.all(depth)?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self, depth: usize) -> Result<Condition<'a>, Fault> {
        let mut parts = vec![self.one(depth)?];
        while self.takes_word("AND") {
            parts.push(self.one(depth)?);
        }
        Ok(Condition::All(parts))
    }

    fn one(&mut self, depth: usize) -> Result<Condition<'a>, Fault> {
        if depth > MAX_DEPTH {
            return Err(self.unknown());
        }
        if self.takes_word("NOT") {
            return Ok(Condition::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes("(") {
            let inner = self.any(depth + 1)?;
            return self.expect(")").map(|()| inner);
        }
        if let Some(name) = self.takes_function() {
            return self.function(name);
        }
        let left = self.operand()?;
        if self.takes_word("IN") {
            return Ok(Condition::In(left, self.list()?));
        }
        let comparator = match self.next() {
            Some(Token::Symbol(symbol)) => Comparator::read(symbol),
            _ => None,
        };
        let comparator = comparator.ok_or_else(|| self.unknown())?;
        Ok(Condition::Compare(left, comparator, self.operand()?))
    }

    fn list(&mut self) -> Result<Vec<Operand<'a>>, Fault> {
        self.expect("(")?;
        let mut operands = vec![self.operand()?];
        while self.takes(",") {
            operands.push(self.operand()?);
        }
        self.expect(")").map(|()| operands)
    }

    fn function(&mut self, name: &str) -> Result<Condition<'a>, Fault> {
        let path = self.path()?;
        let condition = match name {
            "attribute_exists" => Condition::Exists(path),
            "attribute_not_exists" => Condition::Not(Box::new(Condition::Exists(path))),
            "begins_with" => {
                self.expect(",")?;
                Condition::BeginsWith(path, self.operand()?)
            }
            _ => return Err(self.unknown()),
        };
        self.expect(")").map(|()| condition)
    }

    fn action(&mut self, clause: &str) -> Result<Action<'a>, Fault> {
        let path = self.path()?;
        let [name] = path.0.as_slice() else { return Err(self.unknown()) };
        let name = name.clone();
        match clause.to_ascii_uppercase().as_str() {
            "SET" => {
                self.expect("=")?;
                Ok(Action::Set(name, self.new_value()?))
            }
            "REMOVE" => Ok(Action::Remove(name)),
            "ADD" => Ok(Action::Add(name, self.value()?)),
            _ => Err(self.unknown()),
        }
    }

    fn new_value(&mut self) -> Result<NewValue<'a>, Fault> {
        let first = self.plain_value()?;
        let sign = if self.takes("+") {
            1
        } else if self.takes("-") {
            -1
        } else {
            return Ok(first);
        };
        Ok(NewValue::Sum(Box::new(first), sign, Box::new(self.plain_value()?)))
    }

    fn plain_value(&mut self) -> Result<NewValue<'a>, Fault> {
        match self.takes_function() {
            Some("if_not_exists") => {
                let path = self.path()?;
                self.expect(",")?;
                let otherwise = self.operand()?;
                self.expect(")")?;
                Ok(NewValue::IfMissing(path, otherwise))
            }
            Some(_) => Err(self.unknown()),
            None => Ok(NewValue::Of(self.operand()?)),
        }
    }

    fn operand(&mut self) -> Result<Operand<'a>, Fault> {
        match self.tokens.get(self.at) {
            Some(Token::Value(_)) => Ok(Operand::Value(self.value()?)),
            _ => Ok(Operand::Path(self.path()?)),
        }
    }

    fn value(&mut self) -> Result<&'a RawValue, Fault> {
        match self.next() {
            Some(Token::Value(placeholder)) => self.scope.value(placeholder),
            _ => Err(self.unknown()),
        }
    }

    fn path(&mut self) -> Result<Path, Fault> {
        let mut names = vec![self.name()?];
        while self.takes(".") {
            names.push(self.name()?);
        }
        Ok(Path(names))
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.next() {
            Some(Token::Word(name)) if !is_keyword(name) => Ok(name.to_owned()),
            Some(Token::Name(placeholder)) => self.scope.name(placeholder),
            _ => Err(self.unknown()),
        }
    }

    /// Returns the name of the function if the next tokens are a call.
    fn takes_function(&mut self) -> Option<&'e str> {
        match self.tokens.get(self.at..self.at + 2)? {
            [Token::Word(name), Token::Symbol("(")] if !is_keyword(name) => {
                self.at += 2;
                Some(name)
            }
            _ => None,
        }
    }

    fn takes(&mut self, symbol: &str) -> bool {
        let is_here = self.tokens.get(self.at) == Some(&Token::Symbol(symbol));
        self.at += usize::from(is_here);
        is_here
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_here = matches!(self.tokens.get(self.at), Some(Token::Word(here)) if here.eq_ignore_ascii_case(word));
        self.at += usize::from(is_here);
        is_here
    }

    fn expect(&mut self, symbol: &str) -> Result<(), Fault> {
        if self.takes(symbol) { Ok(()) } else { Err(self.unknown()) }
    }

    fn next(&mut self) -> Option<Token<'e>> {
        let token = self.tokens.get(self.at).copied();
        self.at += usize::from(token.is_some());
        token
    }

    fn end(&self) -> Result<(), Fault> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unknown()) }
    }

    fn unknown(&self) -> Fault {
        Fault::validation(format!("not an expression that the stand-in knows: {}", self.text))
    }
}

fn is_keyword(word: &str) -> bool {
    ["AND", "OR", "NOT", "BETWEEN", "IN", "SET", "REMOVE", "ADD", "DELETE"]
        .iter()
        .any(|keyword| word.eq_ignore_ascii_case(keyword))
}
