//! The text of a COM_QUERY is found behind any attributes, inside the payload and up to its end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Capabilities;
use wire::command::{Query, statement_id};

fuzz_target!(|data: &[u8]| {
    let [flags, payload @ ..] = data else { return };
    let capabilities = fuzz::command_phase(*flags);
    let _ = statement_id(payload);
    let Ok(query) = Query::decode(payload, capabilities) else {
        return;
    };
    assert_eq!(payload.get(query.range.clone()), Some(query.text));
    assert_eq!(query.range.end, payload.len());
    if !capabilities.has(Capabilities::QUERY_ATTRIBUTES) {
        assert_eq!(query.range.start, 1);
    }
});
