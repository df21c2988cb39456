//! Whatever a client says of itself: what was decoded is what is sent on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Capabilities;
use wire::handshake::{ChangeUser, HandshakeResponse};

fuzz_target!(|data: &[u8]| {
    let [flags, payload @ ..] = data else { return };
    if let Ok(mut response) = HandshakeResponse::decode(payload) {
        let mut again = Vec::new();
        response.encode(&mut again);
        // a client may announce zstd and leave the level out; it is written with the servers' default
        if response.capabilities.has(Capabilities::ZSTD_COMPRESSION) {
            response.zstd_level = response.zstd_level.or(Some(3));
        }
        assert_eq!(HandshakeResponse::decode(&again), Ok(response));
    }

    let choices = [
        Capabilities::SECURE_CONNECTION,
        Capabilities::PLUGIN_AUTH,
        Capabilities::CONNECT_ATTRS,
    ];
    let capabilities = choices
        .into_iter()
        .enumerate()
        .filter(|(bit, _)| flags & (1 << bit) != 0)
        .fold(Capabilities::NONE, |all, (_, flag)| all | flag);
    if let Ok(change) = ChangeUser::decode(payload, capabilities) {
        let mut again = Vec::new();
        change.encode(capabilities, &mut again);
        let read = ChangeUser::decode(&again, capabilities).expect("what was written can be read");
        assert_eq!(
            (&read.user, &read.auth_response),
            (&change.user, &change.auth_response)
        );
        assert_eq!(
            (&read.database, read.collation),
            (&change.database, change.collation)
        );
        // a command that ends behind the schema has neither plugin nor attributes, which cannot stand alone
        if change.collation.is_some() {
            assert_eq!(read.attributes, change.attributes);
            let plugin = |change: &ChangeUser| change.auth_plugin.clone().filter(|name| !name.is_empty());
            assert_eq!(plugin(&read), plugin(&change));
        }
    }
});
