//! Parentheses and symbols of a VNN-LIB text, with their byte offsets.

use super::error::{Failure, Problem, fail};

/// A token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Open,
    Close,
    /// Anything else up to the next blank, parenthesis or comment.
    Symbol(&'a str),
    End,
}

impl Token<'_> {
    /// The token as an error message shows it, shortened.
    pub(super) fn describe(self) -> String {
        match self {
            Token::Open => "'('".to_owned(),
            Token::Close => "')'".to_owned(),
            Token::Symbol(text) => format!("'{}'", shorten(text)),
            Token::End => "the end of the file".to_owned(),
        }
    }
}

/// At most 40 characters of a text from a file.
pub(super) fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Reads tokens from left to right.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

const fn ends_symbol(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'\x0c' | b'(' | b')' | b';')
}

impl<'a> Lexer<'a> {
    /// Starts at the beginning, after a byte-order mark if there is one.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: if text.starts_with('\u{feff}') { 3 } else { 0 } }
    }

    /// The next token and where it starts.
    pub(super) fn next(&mut self) -> (Token<'a>, usize) {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        loop {
            match bytes.get(at) {
                None => {
                    self.at = at;
                    return (Token::End, at);
                }
                Some(b' ' | b'\t' | b'\r' | b'\n' | b'\x0c') => at += 1,
                Some(b';') => {
                    at += bytes[at..].iter().position(|&b| b == b'\n').unwrap_or(bytes.len() - at);
                }
                Some(b'(') => {
                    self.at = at + 1;
                    return (Token::Open, at);
                }
                Some(b')') => {
                    self.at = at + 1;
                    return (Token::Close, at);
                }
                Some(_) => {
                    let rest = &bytes[at..];
                    let length = rest.iter().position(|&b| ends_symbol(b)).unwrap_or(rest.len());
                    self.at = at + length;
                    // Both ends lie beside ASCII bytes, so this is a slice of whole characters.
                    return (Token::Symbol(&self.text[at..self.at]), at);
                }
            }
        }
    }

    /// The next token, which must be a symbol.
    pub(super) fn symbol(&mut self, expected: &'static str) -> Result<(&'a str, usize), Failure> {
        match self.next() {
            (Token::Symbol(text), at) => Ok((text, at)),
            (other, at) => fail(at, Problem::Expected { expected, found: other.describe() }),
        }
    }

    /// The next token, which must be a closing parenthesis.
    pub(super) fn close(&mut self, opened: usize) -> Result<(), Failure> {
        match self.next() {
            (Token::Close, _) => Ok(()),
            (Token::End, _) => fail(opened, Problem::Unclosed),
            (other, at) => fail(at, Problem::Expected { expected: "')'", found: other.describe() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_comments_and_line_ends_separate() {
        let mut lexer = Lexer::new("\u{feff}(a)(b\t-1e5)\r\n;; x (\n c;d");
        let mut tokens = Vec::new();
        while let (token, at) = lexer.next()
            && token != Token::End
        {
            tokens.push((token.describe(), at));
        }
        let expected = [
            ("'('", 3),
            ("'a'", 4),
            ("')'", 5),
            ("'('", 6),
            ("'b'", 7),
            ("'-1e5'", 9),
            ("')'", 13),
            ("'c'", 24),
        ];
        let expected: Vec<_> = expected.iter().map(|&(t, at)| (t.to_owned(), at)).collect();
        assert_eq!(tokens, expected);
    }
}
