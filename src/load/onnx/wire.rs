//! The protobuf wire format, read in place: fields are borrowed slices, nothing is copied, nothing is trusted.
//!
//! A field that the schema has once in a message is refused where it occurs twice. Protobuf would merge two messages and
//! take the last of two scalars; no exporter writes such a file.

use crate::load::EncodingProblem;
use crate::load::budget::Budget;

/// A malformed field, and where it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireError {
    /// Byte offset in the file.
    pub offset: usize,
    /// What is wrong.
    pub problem: EncodingProblem,
}

/// Bytes of the file, their offset in it, and the memory left to understand them.
#[derive(Debug, Clone, Copy)]
pub struct Span<'m> {
    /// The bytes.
    pub bytes: &'m [u8],
    /// Offset of the first.
    pub offset: usize,
    /// What messages and unpacked integers are charged to.
    pub budget: &'m Budget,
}

/// More than any message takes in memory besides its lists.
const MESSAGE: usize = 512;

impl<'m> Span<'m> {
    /// The span as text.
    pub(super) fn text(self) -> Result<&'m str, WireError> {
        std::str::from_utf8(self.bytes)
            .map_err(|_| WireError { offset: self.offset, problem: EncodingProblem::Utf8 })
    }

    /// The fields of the span read as a message.
    pub(super) fn fields(self, message: &'static Message) -> Result<Fields<'m>, WireError> {
        self.spend(MESSAGE)?;
        Ok(Fields { rest: self, message, seen: 0 })
    }

    fn spend(self, bytes: usize) -> Result<(), WireError> {
        let problem = |exceeded| WireError { offset: self.offset, problem: exceeded };
        self.budget.spend(bytes).map_err(EncodingProblem::Memory).map_err(problem)
    }
}

/// A message of the schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Its name.
    pub name: &'static str,
    /// Numbers, below 64, of the fields that occur at most once.
    pub singular: &'static [u64],
}

/// The value of a field.
#[derive(Debug, Clone, Copy)]
enum Payload<'m> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Span<'m>),
    Fixed32([u8; 4]),
}

/// A field of a message.
#[derive(Debug, Clone, Copy)]
pub struct Field<'m> {
    /// Its number in the schema.
    pub number: u64,
    payload: Payload<'m>,
    offset: usize,
    message: &'static Message,
}

impl<'m> Field<'m> {
    fn wrong_type(&self) -> WireError {
        let (message, field) = (self.message.name, self.number);
        let problem = EncodingProblem::FieldType { message, field };
        WireError { offset: self.offset, problem }
    }

    /// The error for a field that must not occur again.
    pub(super) fn repeated(&self) -> WireError {
        let (message, field) = (self.message.name, self.number);
        let problem = EncodingProblem::Repeated { message, field };
        WireError { offset: self.offset, problem }
    }

    /// A string, bytes or embedded message.
    pub(super) fn span(&self) -> Result<Span<'m>, WireError> {
        match self.payload {
            Payload::Bytes(span) => Ok(span),
            _ => Err(self.wrong_type()),
        }
    }

    /// A string.
    pub(super) fn text(&self) -> Result<&'m str, WireError> {
        self.span()?.text()
    }

    /// An integer (int64, int32, enum).
    pub(super) fn int(&self) -> Result<i64, WireError> {
        match self.payload {
            Payload::Varint(value) => Ok(value.cast_signed()),
            _ => Err(self.wrong_type()),
        }
    }

    /// A float.
    pub(super) fn float(&self) -> Result<f32, WireError> {
        match self.payload {
            Payload::Fixed32(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(self.wrong_type()),
        }
    }

    /// Appends the integers of a repeated field, packed or not.
    pub(super) fn push_ints(&self, into: &mut Vec<i64>) -> Result<(), WireError> {
        match self.payload {
            Payload::Varint(value) => into.push(value.cast_signed()),
            Payload::Bytes(mut span) => {
                // As many integers as bytes that end one.
                let number = span.bytes.iter().filter(|&&byte| byte < 0x80).count();
                span.spend(number.saturating_mul(size_of::<i64>()))?;
                into.reserve(number);
                while !span.bytes.is_empty() {
                    into.push(take_varint(&mut span)?.cast_signed());
                }
            }
            _ => return Err(self.wrong_type()),
        }
        Ok(())
    }

    /// Appends the floats of a repeated field, packed or not.
    pub(super) fn push_floats(&self, into: &mut Vec<f32>) -> Result<(), WireError> {
        match self.fixed::<4>()? {
            Fixed::Packed(bytes) => {
                into.extend(bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)));
            }
            Fixed::One32(bytes) => into.push(f32::from_le_bytes(bytes)),
            Fixed::One64(_) => return Err(self.wrong_type()),
        }
        Ok(())
    }

    /// The little-endian elements of a repeated float (`N` = 4) or double (`N` = 8) field, packed or not.
    pub(super) fn fixed<const N: usize>(&self) -> Result<Fixed<'m>, WireError> {
        match self.payload {
            Payload::Fixed32(bytes) if N == 4 => Ok(Fixed::One32(bytes)),
            Payload::Fixed64(bytes) if N == 8 => Ok(Fixed::One64(bytes)),
            Payload::Bytes(span) if span.bytes.len().is_multiple_of(N) => {
                Ok(Fixed::Packed(span.bytes))
            }
            Payload::Bytes(span) => {
                let problem = EncodingProblem::Packed { message: self.message.name };
                Err(WireError { offset: span.offset, problem })
            }
            _ => Err(self.wrong_type()),
        }
    }
}

/// Elements of a repeated fixed-width field.
#[derive(Debug, Clone, Copy)]
pub enum Fixed<'m> {
    /// One 32-bit element.
    One32([u8; 4]),
    /// One 64-bit element.
    One64([u8; 8]),
    /// Any number of elements.
    Packed(&'m [u8]),
}

/// The fields of a message, in order.
#[derive(Debug, Clone)]
pub struct Fields<'m> {
    rest: Span<'m>,
    message: &'static Message,
    /// The singular fields that have occurred, as bits.
    seen: u64,
}

impl<'m> Fields<'m> {
    fn read(&mut self) -> Result<Field<'m>, WireError> {
        let offset = self.rest.offset;
        let key = take_varint(&mut self.rest)?;
        let payload = match key & 7 {
            0 => Payload::Varint(take_varint(&mut self.rest)?),
            1 => Payload::Fixed64(self.take_array()?),
            2 => {
                let len = take_varint(&mut self.rest)?;
                Payload::Bytes(self.take(len)?)
            }
            5 => Payload::Fixed32(self.take_array()?),
            other => {
                return Err(WireError { offset, problem: EncodingProblem::WireType(other as u8) });
            }
        };
        let field = Field { number: key >> 3, payload, offset, message: self.message };
        if self.message.singular.contains(&field.number) {
            let bit = 1 << field.number;
            if self.seen & bit != 0 {
                return Err(field.repeated());
            }
            self.seen |= bit;
        }
        Ok(field)
    }

    fn take(&mut self, len: u64) -> Result<Span<'m>, WireError> {
        let Span { bytes, offset, budget } = self.rest;
        match usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len)) {
            Some((taken, rest)) => {
                self.rest = Span { bytes: rest, offset: offset + taken.len(), budget };
                Ok(Span { bytes: taken, offset, budget })
            }
            None => {
                let missing = len - bytes.len() as u64;
                Err(WireError { offset, problem: EncodingProblem::Truncated(missing) })
            }
        }
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?.bytes);
        Ok(array)
    }
}

impl<'m> Iterator for Fields<'m> {
    type Item = Result<Field<'m>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.bytes.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest.bytes = &[];
        }
        Some(field)
    }
}

fn take_varint(span: &mut Span<'_>) -> Result<u64, WireError> {
    let mut value = 0u64;
    for (i, &byte) in span.bytes.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * i);
        // The tenth byte has room for one bit.
        if byte < 0x80 && (i < 9 || byte < 2) {
            *span = Span { bytes: &span.bytes[i + 1..], offset: span.offset + i + 1, ..*span };
            return Ok(value);
        }
    }
    Err(WireError { offset: span.offset, problem: EncodingProblem::Varint })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEST: Message = Message { name: "Test", singular: &[1, 2] };

    fn fields(bytes: &[u8]) -> Result<Vec<u64>, WireError> {
        let budget = Budget::new(0);
        Span { bytes, offset: 0, budget: &budget }
            .fields(&TEST)?
            .map(|f| f.map(|f| f.number))
            .collect()
    }

    #[test]
    fn every_wire_type_is_read() {
        let bytes = [8, 150, 1, 17, 1, 2, 3, 4, 5, 6, 7, 8, 26, 2, 7, 8, 37, 0, 0, 128, 63];
        assert_eq!(fields(&bytes).unwrap(), [1, 2, 3, 4]);
        let budget = Budget::new(0);
        let span = Span { bytes: &bytes, offset: 0, budget: &budget };
        let all: Vec<_> = span.fields(&TEST).unwrap().map(Result::unwrap).collect();
        assert_eq!(all[0].int().unwrap(), 150);
        assert_eq!(all[2].span().unwrap().bytes, [7, 8]);
        assert_eq!(all[3].float().unwrap(), 1.0);
        assert!(all[0].text().is_err() && all[2].int().is_err());
    }

    #[test]
    fn malformed_fields_are_located() {
        let problem = |bytes: &[u8]| fields(bytes).unwrap_err();
        assert_eq!(problem(&[8, 1, 26, 5, 0]).problem, EncodingProblem::Truncated(4));
        assert_eq!(problem(&[8, 1, 26, 5, 0]).offset, 4);
        assert_eq!(problem(&[0x80; 12]).problem, EncodingProblem::Varint);
        let ten = |last| [&[8][..], &[0xff; 9], &[last]].concat();
        assert_eq!(problem(&ten(2)).problem, EncodingProblem::Varint);
        assert_eq!(fields(&ten(1)).unwrap(), [1]);
        assert_eq!(problem(&[8]).problem, EncodingProblem::Varint);
        assert_eq!(problem(&[11]).problem, EncodingProblem::WireType(3));
    }

    #[test]
    fn a_singular_field_occurs_once() {
        assert_eq!(fields(&[8, 1, 24, 1, 24, 2]).unwrap(), [1, 3, 3]);
        let again = fields(&[8, 1, 24, 1, 8, 1]).unwrap_err();
        assert_eq!(again.problem, EncodingProblem::Repeated { message: "Test", field: 1 });
        assert_eq!(again.offset, 4);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = fields(&bytes);
        }
    }
}
