//! An OK packet, re-written for another set of capabilities, says the same; the state goes with its flag.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::reply::{EofPacket, ErrPacket, OkPacket, PrepareOk};
use wire::{Capabilities, StatusFlags};

fuzz_target!(|data: &[u8]| {
    let [from, to, payload @ ..] = data else { return };
    let (from, to) = (fuzz::command_phase(*from), fuzz::command_phase(*to));
    let _ = ErrPacket::decode(payload);
    let _ = EofPacket::decode(payload);
    let _ = PrepareOk::decode(payload);
    let Ok(ok) = OkPacket::decode(payload, from) else {
        return;
    };

    let mut written = Vec::new();
    ok.encode_payload(to, &mut written);
    let read = OkPacket::decode(&written, to).expect("what was written can be read");

    let state = if to.has(Capabilities::SESSION_TRACK) {
        ok.state
    } else {
        &[]
    };
    let mut status = ok.status.without(StatusFlags::SESSION_STATE_CHANGED);
    if !state.is_empty() {
        status = status | StatusFlags::SESSION_STATE_CHANGED;
    }
    assert_eq!(read, OkPacket { state, status, ..ok });
});
