//! A shard of a campaign: every N-th input, so that several machines share one campaign and each has its part of every class.

use serde::{Deserialize, Serialize};

/// Shard K of N: the inputs K − 1, K − 1 + N, K − 1 + 2N, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Shard {
    /// K, from 1 to N.
    pub(crate) number: usize,
    /// N.
    pub(crate) of: usize,
}

impl Shard {
    /// Whether an input is the shard's.
    pub(crate) fn holds(self, index: usize) -> bool {
        self.of > 0 && index % self.of + 1 == self.number
    }
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a shard is K/N with K from 1 to N, such as 2/4".to_owned();
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let number = number.parse().map_err(|_| wrong())?;
        let of = of.parse().map_err(|_| wrong())?;
        if (1..=of).contains(&number) { Ok(Self { number, of }) } else { Err(wrong()) }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_lies_in_one_shard() {
        for of in 1..6 {
            let shards: Vec<Shard> = (1..=of).map(|number| Shard { number, of }).collect();
            for index in 0..30 {
                assert_eq!(shards.iter().filter(|shard| shard.holds(index)).count(), 1);
            }
        }
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for wrong in ["", "2", "0/4", "5/4", "0/0", "a/2", "1/2/3", "-1/2", "1/"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("2/4"), "{wrong}");
        }
    }
}
