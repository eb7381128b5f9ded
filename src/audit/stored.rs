//! How numbers and names are stored: exact numbers beside their doubles, names as words, doubles that JSON has no number for.

use crate::num::{Rational, parse_rational, to_f64_nearest};
use serde::{Deserialize, Serialize};

/// An exact number, and the double nearest to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct Exact {
    /// The number as a reduced fraction; it alone counts.
    pub(crate) exact: String,
    /// The double nearest to it.
    pub(crate) value: f64,
}

impl From<&Rational> for Exact {
    fn from(number: &Rational) -> Self {
        Self { exact: number.to_string(), value: to_f64_nearest(number) }
    }
}

impl Exact {
    /// The number as a decimal, where that is exact: 0.1, but not 8/255.
    pub(crate) fn decimal(&self) -> Option<String> {
        let decimal = self.value.to_string();
        let same = parse_rational(&decimal).is_ok_and(|number| number.to_string() == self.exact);
        same.then_some(decimal)
    }
}

impl std::fmt::Display for Exact {
    /// A decimal where that is exact, else the fraction: 0.1, 8/255.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.decimal().as_ref().unwrap_or(&self.exact))
    }
}

/// A file that was read or written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct FileRecord {
    pub(crate) name: String,
    /// SHA-256 of the file.
    pub(crate) sha256: String,
}

/// A number as [`Exact`], or none.
pub(crate) mod exact {
    use super::{Exact, Rational, parse_rational};
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        number: &Option<Rational>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        number.as_ref().map(Exact::from).serialize(to)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(
        from: D,
    ) -> Result<Option<Rational>, D::Error> {
        let number = Option::<Exact>::deserialize(from)?;
        let parse = |number: Exact| parse_rational(&number.exact).map_err(D::Error::custom);
        number.map(parse).transpose()
    }
}

/// A value by its name, as it displays and is parsed.
pub(crate) mod word {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(crate) fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'a, T: FromStr<Err: Display>, D: Deserializer<'a>>(
        from: D,
    ) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// Doubles, each as a number or, where it is none, by its name.
pub(crate) mod doubles {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[cfg_attr(test, derive(schemars::JsonSchema))]
    #[serde(untagged)]
    enum Double {
        Finite(f64),
        Other(String),
    }

    pub(crate) fn serialize<S: Serializer>(numbers: &[f64], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(numbers.iter().map(|&x| match x.is_finite() {
            true => Double::Finite(x),
            false => Double::Other(x.to_string()),
        }))
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<f64>, D::Error> {
        let number = |x| match x {
            Double::Finite(x) => Ok(x),
            Double::Other(name) => name.parse().map_err(D::Error::custom),
        };
        Vec::<Double>::deserialize(from)?.into_iter().map(number).collect()
    }
}
