//! What a policy may want to stop, as a small set.

use std::ops::{BitOr, BitOrAssign};

/// Something a statement does that a policy may want to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Danger {
    /// `DROP TABLE` (not `DROP TEMPORARY TABLE`).
    DropTable,
    /// `DROP TEMPORARY TABLE`.
    DropTemporaryTable,
    /// `DROP DATABASE`, `DROP SCHEMA`.
    DropSchema,
    /// `DROP` of a view, routine, trigger, event, sequence, user, …
    DropOther,
    /// `TRUNCATE [TABLE]`, `ALTER TABLE … TRUNCATE PARTITION`.
    Truncate,
    /// `ALTER TABLE … DROP PARTITION`.
    DropPartition,
    /// `CREATE OR REPLACE TABLE`.
    ReplaceTable,
    /// DELETE without WHERE.
    DeleteWithoutWhere,
    /// DELETE whose WHERE can be true without a look at a column: `WHERE 1`, `WHERE id = 1 OR 1 = 1`.
    DeleteWhereConstant,
    /// UPDATE without WHERE.
    UpdateWithoutWhere,
    /// UPDATE whose WHERE can be true without a look at a column.
    UpdateWhereConstant,
    /// KILL of something else than one connection by its number, or KILL inside another text or a stored program:
    /// whom it hits cannot be checked.
    KillUnclear,
}

impl Danger {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::DropTable,
        Self::DropTemporaryTable,
        Self::DropSchema,
        Self::DropOther,
        Self::Truncate,
        Self::DropPartition,
        Self::ReplaceTable,
        Self::DeleteWithoutWhere,
        Self::DeleteWhereConstant,
        Self::UpdateWithoutWhere,
        Self::UpdateWhereConstant,
        Self::KillUnclear,
    ];

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// A set of dangers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DangerSet(u16);

impl DangerSet {
    /// Whether it holds this one.
    #[must_use]
    pub fn contains(self, danger: Danger) -> bool {
        self.0 & danger.bit() != 0
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those in the set.
    pub fn iter(self) -> impl Iterator<Item = Danger> {
        Danger::ALL
            .into_iter()
            .filter(move |&danger| self.contains(danger))
    }

    pub(crate) fn insert(&mut self, danger: Danger) {
        self.0 |= danger.bit();
    }
}

impl From<Danger> for DangerSet {
    fn from(danger: Danger) -> Self {
        Self(danger.bit())
    }
}

impl BitOr for DangerSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for DangerSet {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
