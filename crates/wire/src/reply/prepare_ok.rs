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
        // int<1> filler, int<2> warnings, int<1> metadata follows: of no use here, and not always there
        Ok(Self {
            statement_id,
            columns,
            parameters,
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
                parameters: 1
            })
        );
    }
}
