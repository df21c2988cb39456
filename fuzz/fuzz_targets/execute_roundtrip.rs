//! A COM_STMT_EXECUTE for another connection differs in the statement's number alone, or by the types put back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Capabilities;
use wire::command::{CommandCode, Execute};

/// BIGINT, signed.
const KIND: [u8; 2] = [0x08, 0];

fuzz_target!(|data: &[u8]| {
    let [flags, parameters_low, parameters_high, payload @ ..] = data else {
        return;
    };
    let parameters = u16::from_le_bytes([*parameters_low, *parameters_high]);
    let capabilities = fuzz::command_phase(*flags);
    let Ok(execute) = Execute::decode(payload, parameters, capabilities) else {
        return;
    };

    let mut expected = payload.to_vec();
    expected[0] = CommandCode::STMT_EXECUTE.0;
    assert_eq!(execute.with_types(execute.statement_id, None), expected);

    let other = !execute.statement_id;
    expected[1..5].copy_from_slice(&other.to_le_bytes());
    assert_eq!(execute.with_types(other, None), expected);

    // types that the client left out come from its memory, and then they are in the packet
    let named = capabilities.has(Capabilities::QUERY_ATTRIBUTES);
    if execute.types.is_none() && parameters > 0 && !named {
        let remembered = KIND.repeat(usize::from(parameters));
        let put_back = execute.with_types(other, Some(&remembered));
        let read =
            Execute::decode(&put_back, parameters, capabilities).expect("what was written can be read");
        assert_eq!((read.statement_id, read.types), (other, Some(&remembered[..])));
        assert_eq!(put_back.len(), payload.len() + remembered.len());
    }
});
