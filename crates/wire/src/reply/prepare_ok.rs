//! [COM_STMT_PREPARE_OK](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_prepare.html).

use crate::{DecodeError, Reader};

/// A statement has been prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareOk {
    /// The server's number of the statement.
    pub statement_id: u32,
    /// Columns of its result, 0 when it has none.
    pub columns: u16,
    /// Its parameters.
    pub parameters: u16,
    /// Their definitions follow; not so where the client has chosen to do without
    /// (OPTIONAL_RESULTSET_METADATA and `resultset_metadata = NONE`).
    pub described: bool,
}

impl PrepareOk {
    /// Where the statement's number stands in the payload.
    pub const STATEMENT_ID_OFFSET: usize = 1;

    /// Decodes a payload.
    pub fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(payload);
        if r.u8("marker")? != 0 {
            return Err(DecodeError::Invalid("marker"));
        }
        let statement_id = r.u32("statement id")?; // int<4>
        let columns = r.u16("column count")?; // int<2>
        let parameters = r.u16("parameter count")?; // int<2>
        // int<1> filler, int<2> warnings: of no use here, and not always there
        // int<1> metadata follows, under OPTIONAL_RESULTSET_METADATA
        let described = r.rest().get(3).is_none_or(|follows| *follows != 0);
        Ok(Self {
            statement_id,
            columns,
            parameters,
            described,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_parameter_one_column_as_sent_by_mariadb_10_11() {
        let payload = [0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];
        assert_eq!(
            PrepareOk::decode(&payload),
            Ok(PrepareOk {
                statement_id: 1,
                columns: 1,
                parameters: 1,
                described: true,
            })
        );
    }

    #[test]
    fn without_definitions_as_sent_by_mysql_9_7() {
        let payload = [0, 1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0];
        assert_eq!(
            PrepareOk::decode(&payload),
            Ok(PrepareOk {
                statement_id: 1,
                columns: 2,
                parameters: 1,
                described: false,
            })
        );
    }
}
