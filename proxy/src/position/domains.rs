//! MariaDB's positions: the last transaction of each replication domain. Within a domain the sequence numbers grow.

use std::fmt;

use super::NotAPosition;

/// The last transaction of one domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    domain: u32,
    /// The server that has written it; it does not matter which.
    server: u32,
    sequence: u64,
}

/// The last transaction of each domain, in the order of the domains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Domains(Vec<Last>);

impl Domains {
    /// Reads `domain-server-sequence`, separated by commas.
    pub fn parse(text: &str) -> Result<Self, NotAPosition> {
        let mut domains = Self::default();
        for gtid in text.split(',').map(str::trim).filter(|gtid| !gtid.is_empty()) {
            let mut numbers = gtid.split('-');
            let mut number = || numbers.next().filter(|digits| is_number(digits));
            let last = (|| {
                Some(Last {
                    domain: number()?.parse().ok()?,
                    server: number()?.parse().ok()?,
                    sequence: number()?.parse().ok()?,
                })
            })();
            match (last, numbers.next()) {
                (Some(last), None) => domains.add(last),
                _ => return Err(NotAPosition("list of GTIDs: domain-server-sequence")),
            }
        }
        Ok(domains)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether each of the other's domains has come as far here.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| {
            self.find(wanted.domain)
                .is_some_and(|last| last.sequence >= wanted.sequence)
        })
    }

    /// The further of both in each domain.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|last| self.add(*last));
    }

    fn add(&mut self, last: Last) {
        match self.0.binary_search_by_key(&last.domain, |known| known.domain) {
            Ok(place) => {
                if let Some(known) = self.0.get_mut(place)
                    && known.sequence < last.sequence
                {
                    *known = last;
                }
            }
            Err(place) => self.0.insert(place, last),
        }
    }

    fn find(&self, domain: u32) -> Option<&Last> {
        let place = self.0.binary_search_by_key(&domain, |known| known.domain).ok()?;
        self.0.get(place)
    }
}

/// Digits alone: `parse` would take a sign too.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for Domains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, last) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma}{}-{}-{}", last.domain, last.server, last.sequence)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domains(text: &str) -> Domains {
        Domains::parse(text).unwrap()
    }

    #[test]
    fn each_domain_goes_on_by_itself() {
        let mut at = domains("0-1-100");
        assert!(at.covers(&domains("")) && at.covers(&domains("0-2-100")) && at.covers(&domains("0-1-99")));
        assert!(!at.covers(&domains("0-1-101")) && !at.covers(&domains("0-1-1,1-1-1")));
        at.merge(&domains("1-2-5, 0-1-7"));
        assert_eq!(at.to_string(), "0-1-100,1-2-5");
        at.merge(&domains("0-3-101"));
        assert_eq!(at.to_string(), "0-3-101,1-2-5");
        assert_eq!(domains(&at.to_string()), at);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "0",
            "0-1",
            "0-1-",
            "0-1-2-3",
            "+1-1-1",
            "0--1",
            "a-1-1",
            "0-1-99999999999999999999",
            "0-1-1'",
        ] {
            assert!(Domains::parse(text).is_err(), "{text}");
        }
    }
}
