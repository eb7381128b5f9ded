//! Tokens of an s-expression with their places.
use super::error::Error;

/// Too few tokens.
pub const END: &str = "the file ends too early";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    Open,
    Close,
    Word(&'a str),
    End,
}

#[derive(Clone)]
pub struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last token began, and the line and the line's start there.
    start: usize,
    line: usize,
    line_start: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(bytes: &'a [u8]) -> Lexer<'a> {
        Lexer { bytes, at: 0, start: 0, line: 1, line_start: 0 }
    }

    /// An error at the token read last.
    pub fn error(&self, problem: impl Into<String>) -> Error {
        let column = self.start - self.line_start + 1;
        Error { line: self.line, column, problem: problem.into() }
    }

    pub fn next(&mut self) -> Result<Token<'a>, Error> {
        loop {
            match self.bytes.get(self.at) {
                Some(b'\n') => {
                    self.at += 1;
                    self.line += 1;
                    self.line_start = self.at;
                }
                Some(b' ' | b'\t' | b'\r') => self.at += 1,
                Some(b';') => {
                    while self.bytes.get(self.at).is_some_and(|b| *b != b'\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
        self.start = self.at;
        let Some(first) = self.bytes.get(self.at) else { return Ok(Token::End) };
        if let b'(' | b')' = first {
            self.at += 1;
            return Ok(if *first == b'(' { Token::Open } else { Token::Close });
        }
        let ends = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';');
        let length = self.bytes[self.at..].iter().position(ends);
        self.at = length.map_or(self.bytes.len(), |n| self.at + n);
        std::str::from_utf8(&self.bytes[self.start..self.at])
            .map(Token::Word)
            .map_err(|_| self.error("expected text"))
    }

    /// The error of a token in the place of something else.
    pub fn instead<T>(&self, found: Token, what: &'static str) -> Result<T, Error> {
        let end = found == Token::End;
        Err(self.error(if end { END.to_string() } else { format!("expected {what}") }))
    }

    pub fn expect(&mut self, token: Token, what: &'static str) -> Result<(), Error> {
        match self.next()? {
            found if found == token => Ok(()),
            found => self.instead(found, what),
        }
    }

    /// Whether a `)` comes next, which is then passed.
    pub fn closes(&mut self) -> Result<bool, Error> {
        let before = self.clone();
        let closes = self.next()? == Token::Close;
        if !closes {
            *self = before;
        }
        Ok(closes)
    }

    pub fn word(&mut self, what: &'static str) -> Result<&'a str, Error> {
        match self.next()? {
            Token::Word(w) => Ok(w),
            found => self.instead(found, what),
        }
    }
}
