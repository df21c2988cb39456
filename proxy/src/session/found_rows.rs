//! FOUND_ROWS() of the client's own statements, around a question of ours on the same connection: a SELECT of ours
//! would leave its own.

use peer::connect::ConnectError;

use super::link::Link;

/// Most rows that are found again; a session that had more has 1 behind a question of ours. Each comes over the wire.
const FOUND_AGAIN_MAX: u64 = 10_000;

/// Up to so many are found without a table: MariaDB keeps the warnings of the statement before then, as a question of ours must.
const WITHOUT_TABLES_MAX: u64 = 1_000;

/// Asks for it; every question has a limit of its own, because `sql_select_limit` may be 0.
const FOUND_ROWS: &str = "SELECT FOUND_ROWS() LIMIT 1";

/// What a question that is answered by one row leaves.
const OF_A_QUESTION: u64 = 1;

/// What FOUND_ROWS() was before a question of ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundRows(u64);

impl Link {
    /// To be asked first.
    pub(super) async fn found_rows(&mut self) -> Result<FoundRows, ConnectError> {
        let value = self.value(FOUND_ROWS).await?;
        let count = value.and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok());
        Ok(FoundRows(count.unwrap_or(OF_A_QUESTION)))
    }

    /// The last question is answered: the next statement finds what was there before the first.
    pub(super) async fn find_again(&mut self, found: FoundRows) -> Result<(), ConnectError> {
        if let Some(sql) = found.statement() {
            self.verdict(&sql).await?;
        }
        Ok(())
    }

    /// Finds as many rows as another connection did; false when they are too many.
    pub(super) async fn find(&mut self, found: FoundRows) -> Result<bool, ConnectError> {
        if found.0 > FOUND_AGAIN_MAX {
            return Ok(false);
        }
        let sql = found.statement();
        self.verdict(sql.as_deref().unwrap_or("SELECT 1 LIMIT 1")).await?;
        Ok(true)
    }
}

impl FoundRows {
    /// That many.
    pub(super) fn of(rows: u64) -> Self {
        Self(rows)
    }

    /// A statement that finds as many rows; none where a question of ours has left that already.
    fn statement(self) -> Option<String> {
        const TEN: &str = "(SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 \
             UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1 UNION ALL SELECT 1)";
        match self.0 {
            OF_A_QUESTION => None,
            0 => Some(super::link::NO_ROW.to_owned()),
            count if count > FOUND_AGAIN_MAX => None,
            count if count <= WITHOUT_TABLES_MAX => {
                let mut sql = "SELECT 1".to_owned();
                for _ in 1..count {
                    sql.push_str(" UNION ALL SELECT 1");
                }
                Some(format!("{sql} LIMIT {count}"))
            }
            count => {
                let mut tables = format!("{TEN} t0");
                let mut rows = 10;
                for number in 1.. {
                    if rows >= count {
                        break;
                    }
                    tables.push_str(&format!(", {TEN} t{number}"));
                    rows *= 10;
                }
                Some(format!("SELECT 1 FROM {tables} LIMIT {count}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_rows_are_found_again() {
        let text = |count| FoundRows(count).statement();
        assert_eq!(text(1), None);
        assert_eq!(text(FOUND_AGAIN_MAX + 1), None);
        assert!(text(0).unwrap().ends_with("WHERE FALSE"));
        assert_eq!(text(2).unwrap(), "SELECT 1 UNION ALL SELECT 1 LIMIT 2");
        assert!(text(1_000).unwrap().ends_with("SELECT 1 LIMIT 1000"));
        assert!(text(1_001).unwrap().ends_with(" t3 LIMIT 1001"));
        assert!(text(FOUND_AGAIN_MAX).unwrap().ends_with(" t3 LIMIT 10000"));
    }
}
