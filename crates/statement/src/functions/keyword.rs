//! Words of the grammar that may stand before a parenthesis and call nothing.

/// Upper-cased and sorted.
#[rustfmt::skip]
pub(super) const KEYWORDS: &[&str] = &[
    "AGAINST", "ALL", "AND", "ANY", "ARRAY", "AS",
    "ASC", "BETWEEN", "BINARY", "BIT", "BY", "CASE",
    "CHARACTER", "COLUMNS", "CROSS", "CUBE", "DATETIME", "DEC",
    "DECIMAL", "DESC", "DISTINCT", "DISTINCTROW", "DIV", "DOUBLE",
    "DUPLICATE", "ELSE", "END", "ESCAPE", "EXCEPT", "EXISTS",
    "FLOAT", "FOR", "FROM", "FULL", "GROUP", "HAVING",
    "IN", "INDEX", "INNER", "INT", "INTEGER", "INTERSECT",
    "INTERVAL", "INTO", "IS", "JOIN", "KEY", "LATERAL",
    "LIKE", "LIMIT", "MATERIALIZED", "MEMBER", "MINUS", "NATIONAL",
    "NCHAR", "NOT", "NUMERIC", "NVARCHAR", "OF", "OFFSET",
    "ON", "OR", "ORDER", "OUTER", "OVER", "PARTITION",
    "PARTITIONS", "PATH", "PROCEDURE", "REAL", "RECURSIVE", "REGEXP",
    "RETURN", "RETURNING", "RLIKE", "ROLLUP", "ROW", "SELECT",
    "SEPARATOR", "SET", "SIGNED", "SOME", "SOUNDS", "STRAIGHT_JOIN",
    "THEN", "UNION", "UNSIGNED", "USING", "VALUE", "VALUES",
    "VARBINARY", "VARCHAR", "VECTOR", "WHEN", "WHERE", "WINDOW",
    "WITH", "XOR",
];
