//! Tables as plain data: what a snapshot is made of, and what a client is answered with.

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::console) enum Value {
    /// Not known, or not there.
    Null,
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Real(f64),
    /// A text.
    Text(String),
}

impl Value {
    /// A text.
    pub(in crate::console) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A count; one beyond all counting is the largest there is.
    pub(in crate::console) fn count(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A time in milliseconds, with as many digits as were measured.
    pub(in crate::console) fn milliseconds(time: std::time::Duration) -> Self {
        Self::Real((time.as_secs_f64() * 1_000_000.0).round() / 1_000.0)
    }

    /// A time in seconds, with three digits.
    pub(in crate::console) fn seconds(time: std::time::Duration) -> Self {
        Self::Real((time.as_secs_f64() * 1_000.0).round() / 1_000.0)
    }

    /// That, or nothing.
    pub(in crate::console) fn or_null(value: Option<Self>) -> Self {
        value.unwrap_or(Self::Null)
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::console) enum Kind {
    /// [`Value::Integer`].
    Integer,
    /// [`Value::Real`].
    Real,
    /// [`Value::Text`].
    Text,
}

impl Kind {
    /// As SQLite and tools that ask for columns call it.
    pub(in crate::console) const fn as_str(self) -> &'static str {
        match self {
            Kind::Integer => "bigint",
            Kind::Real => "double",
            Kind::Text => "text",
        }
    }
}

/// A column of one of our own tables.
#[derive(Debug, Clone, Copy)]
pub(in crate::console) struct ColumnOf {
    /// Its name.
    pub(in crate::console) name: &'static str,
    /// What it holds.
    pub(in crate::console) kind: Kind,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct AnswerColumn {
    /// Its name.
    pub(in crate::console) name: String,
    /// What it holds.
    pub(in crate::console) kind: Kind,
}

/// Rows for a client.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::console) struct Answer {
    /// At least one.
    pub(in crate::console) columns: Vec<AnswerColumn>,
    /// Each as long as the columns are many.
    pub(in crate::console) rows: Vec<Vec<Value>>,
}

impl Answer {
    /// Of texts alone.
    pub(in crate::console) fn of_texts(
        columns: &[&str],
        rows: impl IntoIterator<Item = Vec<String>>,
    ) -> Self {
        let column = |name: &&str| AnswerColumn {
            name: (*name).to_owned(),
            kind: Kind::Text,
        };
        Self {
            columns: columns.iter().map(column).collect(),
            rows: rows
                .into_iter()
                .map(|row| row.into_iter().map(Value::Text).collect())
                .collect(),
        }
    }
}
