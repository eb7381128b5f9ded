//! The messages that say what the inputs and outputs of a graph are.

use super::model::schema;
use super::wire::{Span, WireError};

/// ValueInfoProto.
#[derive(Debug, Default, Clone)]
pub struct ValueInfo<'m> {
    /// Name.
    pub name: &'m str,
    /// Element type, if this is a tensor.
    pub element: Option<i64>,
    /// Whether this is a sequence, as of maps from class names to probabilities.
    pub is_sequence: bool,
    /// Shape, if this is a tensor that declares one; `None` for a symbolic dimension.
    pub shape: Option<Vec<Option<i64>>>,
}

impl<'m> ValueInfo<'m> {
    pub(super) fn parse(span: Span<'m>) -> Result<Self, WireError> {
        let mut info = Self::default();
        for field in span.fields(&schema::VALUE_INFO)? {
            let field = field?;
            match field.number {
                1 => info.name = field.text()?,
                2 => {
                    let mut kinds = 0;
                    for field in field.span()?.fields(&schema::TYPE)? {
                        let field = field?;
                        kinds += usize::from(field.number != 6);
                        if kinds > 1 {
                            return Err(field.repeated());
                        }
                        match field.number {
                            1 => info.parse_tensor_type(field.span()?)?,
                            4 => info.is_sequence = true,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(info)
    }

    fn parse_tensor_type(&mut self, span: Span<'m>) -> Result<(), WireError> {
        for field in span.fields(&schema::TENSOR_TYPE)? {
            let field = field?;
            match field.number {
                1 => self.element = Some(field.int()?),
                2 => {
                    let shape = self.shape.insert(Vec::new());
                    for field in field.span()?.fields(&schema::SHAPE)? {
                        let field = field?;
                        if field.number == 1 {
                            shape.push(parse_dimension(field.span()?)?);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn parse_dimension(span: Span<'_>) -> Result<Option<i64>, WireError> {
    let (mut value, mut kinds) = (None, 0);
    for field in span.fields(&schema::DIMENSION)? {
        let field = field?;
        kinds += usize::from(field.number != 3);
        if kinds > 1 {
            return Err(field.repeated());
        }
        if field.number == 1 {
            value = Some(field.int()?);
        }
    }
    Ok(value)
}
