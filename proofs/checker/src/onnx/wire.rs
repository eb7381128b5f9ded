//! Protobuf's wire format: a message is a sequence of numbered fields.
use super::array::Kind;
use super::error::Problem;

/// One field's value.
#[derive(Clone, Copy, Debug, Default)]
pub enum Value<'a> {
    /// Not there: empty or 0.
    #[default]
    Absent,
    Varint(u64),
    Bytes(&'a [u8]),
    /// 4 or 8 bytes, little end first.
    Fixed(&'a [u8]),
}

const BROKEN: Problem = Problem::Malformed("it is no protobuf message");
const KIND: Problem = Problem::Malformed("a field is not of its type");

/// Reads a message field by field.
pub struct Fields<'a> {
    rest: &'a [u8],
    /// Fields that may occur once, all below 64, and those of them that have. (Protobuf would merge two messages, and take the last
    /// of two numbers; nobody writes such files.)
    single: &'static [u64],
    seen: u64,
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8], single: &'static [u64]) -> Fields<'a> {
        Fields { rest: message, single, seen: 0 }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Problem> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(BROKEN)?;
        self.rest = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Problem> {
        let mut x = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            if shift == 63 && byte > 1 {
                break;
            }
            x |= ((byte & 0x7f) as u64) << shift;
            if byte < 0x80 {
                return Ok(x);
            }
        }
        Err(BROKEN)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Problem> {
        let key = self.varint()?;
        let number = key >> 3;
        if !(1..1 << 29).contains(&number) {
            return Err(BROKEN);
        }
        if self.single.contains(&number) {
            if self.seen >> number & 1 == 1 {
                return Err(Problem::Malformed("a field that may occur once occurs twice"));
            }
            self.seen |= 1 << number;
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed(self.take(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| BROKEN)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed(self.take(4)?),
            _ => return Err(BROKEN),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

impl<'a> Value<'a> {
    pub fn bytes(self) -> Result<&'a [u8], Problem> {
        match self {
            Value::Absent => Ok(&[]),
            Value::Bytes(b) => Ok(b),
            _ => Err(KIND),
        }
    }

    /// Fields 1 and 2 of a message, each of which may occur once.
    pub fn two(self) -> Result<[Value<'a>; 2], Problem> {
        let mut two = [Value::Absent; 2];
        for field in Fields::new(self.bytes()?, &[1, 2]) {
            let (number, value) = field?;
            if let Some(place) = two.get_mut(number as usize - 1) {
                *place = value;
            }
        }
        Ok(two)
    }

    /// Not less than the numbers that a list here has.
    pub fn items(self) -> usize {
        if let Value::Bytes(b) = self { b.len().max(1) } else { 1 }
    }

    pub fn text(self) -> Result<&'a str, Problem> {
        std::str::from_utf8(self.bytes()?).map_err(|_| KIND)
    }

    pub fn integer(self) -> Result<i64, Problem> {
        match self {
            Value::Absent => Ok(0),
            Value::Varint(x) => Ok(x as i64),
            _ => Err(KIND),
        }
    }

    /// A repeated integer, packed or not.
    pub fn integers(self) -> Result<Vec<i64>, Problem> {
        let Value::Bytes(packed) = self else { return Ok(vec![self.integer()?]) };
        let (mut fields, mut all) = (Fields::new(packed, &[]), vec![]);
        while !fields.rest.is_empty() {
            all.push(fields.varint()? as i64);
        }
        Ok(all)
    }

    pub fn float(self) -> Result<f64, Problem> {
        let mut one = vec![];
        self.floats(Kind::F32, &mut one)?;
        if let (Value::Fixed(_), [x]) = (self, one.as_slice()) { Ok(*x) } else { Err(KIND) }
    }

    /// Appends repeated floats, packed or not.
    pub fn floats(self, kind: Kind, out: &mut Vec<f64>) -> Result<(), Problem> {
        match self {
            Value::Bytes(bytes) => out.extend(kind.decode(bytes)?),
            Value::Fixed(bytes) if bytes.len() == kind.place().0 => out.extend(kind.decode(bytes)?),
            _ => return Err(KIND),
        }
        Ok(())
    }
}
