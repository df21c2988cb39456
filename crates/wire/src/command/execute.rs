//! [COM_STMT_EXECUTE](https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_com_stmt_execute.html).
//!
//! A client sends the types of its parameters once and may leave them out afterwards; the server
//! remembers them per connection. Whoever moves a statement to another connection must put them back:
//! [`Execute::with_types`].

use crate::limits::PARAMETERS_COUNT_MAX;
use crate::writer::Writer;
use crate::{Capabilities, DecodeError, Reader};

/// The head of a COM_STMT_EXECUTE payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Execute<'a> {
    /// The statement.
    pub statement_id: u32,
    /// Kind of cursor; 0 for none.
    pub flags: u8,
    /// Everything from the iteration count to the null bitmap, both included.
    head: &'a [u8],
    /// The types of everything in the packet (with names under query attributes), when they were sent.
    pub types: Option<&'a [u8]>,
    /// Those of them that are the statement's own parameters': what the server remembers. Attributes, which stand
    /// behind the parameters, are of one execution.
    pub own_types: Option<&'a [u8]>,
    /// The values.
    values: &'a [u8],
    /// Whether the packet has a place for types: there are parameters or attributes.
    typed: bool,
    /// There are as many values as the statement has parameters: remembered types fit.
    fits: bool,
}

/// Of a parameter's type: the value has no sign.
const UNSIGNED: u8 = 0x80;

/// The client can read query attributes of this execution: the parameter count is in the packet.
const PARAMETER_COUNT_AVAILABLE: u8 = 0x08;

impl<'a> Execute<'a> {
    /// Decodes a payload, its first byte (the command) included, of a statement with that many parameters.
    pub fn decode(
        payload: &'a [u8],
        parameters: u16,
        capabilities: Capabilities,
    ) -> Result<Self, DecodeError> {
        let mut r = Reader::new(payload);
        r.u8("command")?; // int<1>
        let statement_id = r.u32("statement id")?; // int<4>
        let flags = r.u8("cursor flags")?; // int<1>
        let start = r.rest();
        r.u32("iteration count")?; // int<4>, always 1
        let attributes = capabilities.has(Capabilities::QUERY_ATTRIBUTES);
        let mut count = usize::from(parameters);
        if attributes && (parameters > 0 || flags & PARAMETER_COUNT_AVAILABLE != 0) {
            let sent = r.lenenc("parameter count")?; // int<lenenc>
            count = usize::try_from(sent).map_err(|_| DecodeError::Invalid("parameter count"))?;
            if count > PARAMETERS_COUNT_MAX {
                return Err(DecodeError::TooLong {
                    field: "parameters",
                    max: PARAMETERS_COUNT_MAX,
                });
            }
        }
        if count == 0 {
            let head = start.get(..start.len() - r.rest().len()).unwrap_or_default();
            return Ok(Self {
                statement_id,
                flags,
                head,
                types: None,
                own_types: None,
                values: r.rest(),
                typed: false,
                fits: false,
            });
        }
        r.bytes(count.div_ceil(8), "null bitmap")?;
        let head = start.get(..start.len() - r.rest().len()).unwrap_or_default();
        let mut own_types = None;
        let types = match r.u8("new parameters bound flag")? {
            0 => None,
            1 => {
                let from = r.rest();
                let read = |r: &Reader<'a>| from.get(..from.len() - r.rest().len());
                for index in 0..count {
                    if index == usize::from(parameters) {
                        own_types = read(&r);
                    }
                    r.u16("parameter type")?; // int<2>
                    if attributes {
                        r.lenenc_bytes(usize::MAX, "parameter name")?; // string<lenenc>
                    }
                }
                own_types = own_types.or(read(&r).filter(|_| count == usize::from(parameters)));
                Some(read(&r).unwrap_or_default())
            }
            _ => return Err(DecodeError::Invalid("new parameters bound flag")),
        };
        Ok(Self {
            statement_id,
            flags,
            head,
            types,
            own_types,
            values: r.rest(),
            typed: true,
            fits: count == usize::from(parameters),
        })
    }

    /// The value of the only parameter as an integer, as a server takes it for one: negative numbers wrap around,
    /// NULL is zero. None when there are more parameters, attributes, or a value that is no number.
    ///
    /// `remembered` are the types that the client sent last.
    pub fn sole_integer(&self, remembered: Option<&[u8]>) -> Option<u64> {
        let [kind, flags] = *self.types.or(remembered)? else {
            return None;
        };
        if self.head.last()? & 1 != 0 {
            return Some(0);
        }
        super::value::integer(kind, flags & UNSIGNED != 0, self.values)
    }

    /// The payload for another connection: its own number of the statement, and the types always there.
    ///
    /// `remembered` are the statement's own types as the client sent them last; they are used when it left them
    /// out and sends nothing else beside.
    pub fn with_types(&self, statement_id: u32, remembered: Option<&[u8]>) -> Vec<u8> {
        let types = self.types.or(remembered.filter(|_| self.fits));
        let size = 16 + self.head.len() + types.map_or(0, <[u8]>::len) + self.values.len();
        let mut out = Vec::with_capacity(size);
        out.put_u8(super::CommandCode::STMT_EXECUTE.0);
        out.put_u32(statement_id);
        out.put_u8(self.flags);
        out.put_bytes(self.head);
        if self.typed {
            out.put_u8(u8::from(types.is_some()));
            out.put_bytes(types.unwrap_or_default());
        }
        out.put_bytes(self.values);
        out
    }
}

impl Execute<'_> {
    /// The payload up to its values, with `types`, and how many bytes of the payload as it came that replaces: for an
    /// execution of which not everything is there.
    pub fn front_with_types(&self, types: &[u8]) -> (Vec<u8>, usize) {
        let front = Execute { values: &[], ..*self };
        let bound_flag = usize::from(self.typed);
        let came = STATEMENT_BYTES + self.head.len() + bound_flag + self.types.map_or(0, <[u8]>::len);
        (front.with_types(self.statement_id, Some(types)), came)
    }
}

/// Command, statement number and flags.
const STATEMENT_BYTES: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// One BIGINT parameter, value 5, as sysbench sends it.
    const WITH_TYPES: &[u8] = &[
        0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0x08, 0, 5, 0, 0, 0, 0, 0, 0, 0,
    ];
    const WITHOUT_TYPES: &[u8] = &[0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn types_that_were_left_out_are_put_back() {
        let first = Execute::decode(WITH_TYPES, 1, Capabilities::NONE).unwrap();
        assert_eq!((first.statement_id, first.types), (1, Some(&[0x08, 0][..])));
        let again = Execute::decode(WITHOUT_TYPES, 1, Capabilities::NONE).unwrap();
        assert_eq!(again.types, None);
        let mut expected = WITH_TYPES.to_vec();
        expected[1] = 9;
        assert_eq!(again.with_types(9, first.types), expected);
    }

    #[test]
    fn the_front_of_an_execution_gets_its_types() {
        let execute = Execute::decode(WITHOUT_TYPES, 1, Capabilities::NONE).unwrap();
        let (front, replaced) = execute.front_with_types(&[0x08, 0]);
        assert_eq!([&front, &WITHOUT_TYPES[replaced..]].concat(), WITH_TYPES);
    }

    #[test]
    fn a_statement_without_parameters() {
        let payload = [0x17, 1, 0, 0, 0, 0, 1, 0, 0, 0];
        let execute = Execute::decode(&payload, 0, Capabilities::NONE).unwrap();
        assert_eq!(execute.with_types(1, None), payload);
    }

    #[test]
    fn with_query_attributes_the_count_and_names_are_in_the_packet() {
        let payload = [
            0x17, 1, 0, 0, 0, 8, 1, 0, 0, 0, 1, 0, 1, 0x08, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
        ];
        let execute = Execute::decode(&payload, 1, Capabilities::QUERY_ATTRIBUTES).unwrap();
        assert_eq!(execute.types, Some(&[0x08, 0, 0][..]));
        assert_eq!(execute.with_types(1, None), payload);
    }

    #[test]
    fn types_of_attributes_are_of_one_execution() {
        // one parameter, and an attribute `a` behind it
        let payload = [
            0x17, 1, 0, 0, 0, 8, 1, 0, 0, 0, 2, 0, 1, 0x03, 0, 0, 0x03, 0, 1, b'a', 5, 0, 0, 0, 6, 0, 0, 0,
        ];
        let execute = Execute::decode(&payload, 1, Capabilities::QUERY_ATTRIBUTES).unwrap();
        assert_eq!(execute.own_types, Some(&[0x03, 0, 0][..]));
        // attributes without types are an error, which is not ours to mend
        let again = [0x17, 1, 0, 0, 0, 8, 1, 0, 0, 0, 2, 0, 0, 5, 0, 0, 0, 6, 0, 0, 0];
        let again = Execute::decode(&again, 1, Capabilities::QUERY_ATTRIBUTES).unwrap();
        assert_eq!(again.with_types(1, execute.own_types).len(), 21);
    }

    proptest! {
        #[test]
        fn never_panics(payload in proptest::collection::vec(any::<u8>(), 0..200), parameters: u16, new: bool) {
            let capabilities = if new { Capabilities::QUERY_ATTRIBUTES } else { Capabilities::NONE };
            if let Ok(execute) = Execute::decode(&payload, parameters, capabilities) {
                let again = execute.with_types(execute.statement_id, None);
                prop_assert_eq!(again.len(), payload.len());
            }
        }
    }
}
