//! Protobuf's wire format: a message is a sequence of numbered fields.

/// One field's value.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// The bytes are no protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// Reads a message field by field.
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(Malformed)?;
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.take(N)?.try_into().map_err(|_| Malformed)
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut x = 0u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.fixed::<1>()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            x |= ((byte & 0x7f) as u64) << shift;
            if byte < 0x80 {
                return Ok(x);
            }
        }
        Err(Malformed)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), Malformed> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.fixed()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.fixed()?)),
            _ => return Err(Malformed),
        };
        Ok((key >> 3, value))
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
            _ => Err(Malformed),
        }
    }

    pub fn text(self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub fn integer(self) -> Result<i64, Malformed> {
        match self {
            Value::Varint(x) => Ok(x as i64),
            _ => Err(Malformed),
        }
    }

    pub fn float(self) -> Result<f32, Malformed> {
        match self {
            Value::Fixed32(x) => Ok(f32::from_bits(x)),
            _ => Err(Malformed),
        }
    }

    /// Appends a repeated integer, packed or not.
    pub fn integers(self, out: &mut Vec<i64>) -> Result<(), Malformed> {
        match self {
            Value::Varint(x) => out.push(x as i64),
            Value::Bytes(packed) => {
                let mut fields = Fields::new(packed);
                while !fields.rest.is_empty() {
                    out.push(fields.varint()? as i64);
                }
            }
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Appends repeated f32, packed or not.
    pub fn floats(self, out: &mut Vec<f64>) -> Result<(), Malformed> {
        match self {
            Value::Fixed32(x) => out.push(f32::from_bits(x) as f64),
            Value::Bytes(packed) => out.extend(f32s(packed)?),
            _ => return Err(Malformed),
        }
        Ok(())
    }

    /// Appends repeated f64, packed or not.
    pub fn doubles(self, out: &mut Vec<f64>) -> Result<(), Malformed> {
        match self {
            Value::Fixed64(x) => out.push(f64::from_bits(x)),
            Value::Bytes(packed) => out.extend(f64s(packed)?),
            _ => return Err(Malformed),
        }
        Ok(())
    }
}

/// Little-endian f32s, as f64.
pub fn f32s(bytes: &[u8]) -> Result<Vec<f64>, Malformed> {
    let (chunks, rest) = bytes.as_chunks::<4>();
    let all = chunks.iter().map(|c| f32::from_le_bytes(*c) as f64).collect();
    if rest.is_empty() { Ok(all) } else { Err(Malformed) }
}

/// Little-endian f64s.
pub fn f64s(bytes: &[u8]) -> Result<Vec<f64>, Malformed> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    let all = chunks.iter().map(|c| f64::from_le_bytes(*c)).collect();
    if rest.is_empty() { Ok(all) } else { Err(Malformed) }
}
