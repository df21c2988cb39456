//! Any first packet of a server decodes or is refused, and what was understood survives the way back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::handshake::Greeting;

fuzz_target!(|payload: &[u8]| {
    let Ok(greeting) = Greeting::decode(payload) else {
        return;
    };
    let mut again = Vec::new();
    greeting.encode(&mut again);
    assert_eq!(Greeting::decode(&again), Ok(greeting));
});
