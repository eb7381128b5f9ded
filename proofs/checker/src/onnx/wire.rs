//! Protobuf's wire format: a message is a sequence of numbered fields.

/// One field's value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Why the bytes are not a message that ONNX allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

const BROKEN: Malformed = Malformed("it is no protobuf message");
const KIND: Malformed = Malformed("a field is not of its type");

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

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(BROKEN)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| BROKEN)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut x = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed::<1>()?;
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

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let key = self.varint()?;
        let number = key >> 3;
        if !(1..1 << 29).contains(&number) {
            return Err(BROKEN);
        }
        if self.single.contains(&number) {
            if self.seen >> number & 1 == 1 {
                return Err(Malformed("a field that may occur once occurs twice"));
            }
            self.seen |= 1 << number;
        }
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| BROKEN)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return Err(BROKEN),
        };
        Ok((number, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), Malformed>;

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
    pub fn bytes(self) -> Result<&'a [u8], Malformed> {
        match self {
            Value::Bytes(b) => Ok(b),
            _ => Err(KIND),
        }
    }

    /// Not less than the numbers that a list here has.
    pub fn items(self) -> usize {
        if let Value::Bytes(b) = self { b.len().max(1) } else { 1 }
    }

    pub fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| KIND)
    }

    pub fn integer(self) -> Result<i64, Malformed> {
        match self {
            Value::Varint(x) => Ok(x as i64),
            _ => Err(KIND),
        }
    }

    pub fn float(self) -> Result<f32, Malformed> {
        match self {
            Value::Fixed32(x) => Ok(f32::from_bits(x)),
            _ => Err(KIND),
        }
    }

    /// Appends a repeated integer, packed or not.
    pub fn integers(self, out: &mut Vec<i64>) -> Result<(), Malformed> {
        match self {
            Value::Varint(x) => out.push(x as i64),
            Value::Bytes(packed) => {
                let mut fields = Fields::new(packed, &[]);
                while !fields.rest.is_empty() {
                    out.push(fields.varint()? as i64);
                }
            }
            _ => return Err(KIND),
        }
        Ok(())
    }

    /// Appends repeated f32, packed or not.
    pub fn floats(self, out: &mut Vec<f64>) -> Result<(), Malformed> {
        match self {
            Value::Fixed32(x) => out.push(f32::from_bits(x) as f64),
            Value::Bytes(packed) => out.extend(f32s(packed)?),
            _ => return Err(KIND),
        }
        Ok(())
    }

    /// Appends repeated f64, packed or not.
    pub fn doubles(self, out: &mut Vec<f64>) -> Result<(), Malformed> {
        match self {
            Value::Fixed64(x) => out.push(f64::from_bits(x)),
            Value::Bytes(packed) => out.extend(numbers(packed, f64::from_le_bytes)?),
            _ => return Err(KIND),
        }
        Ok(())
    }
}

/// Little-endian numbers of N bytes each, as f64.
pub fn numbers<const N: usize>(
    bytes: &[u8],
    one: impl Fn([u8; N]) -> f64,
) -> Result<Vec<f64>, Malformed> {
    let (chunks, rest) = bytes.as_chunks::<N>();
    let all = chunks.iter().map(|c| one(*c)).collect();
    if rest.is_empty() { Ok(all) } else { Err(Malformed("a list of numbers ends within one")) }
}

fn f32s(bytes: &[u8]) -> Result<Vec<f64>, Malformed> {
    numbers(bytes, |c| f32::from_le_bytes(c) as f64)
}
