//! A block of session state is read to its end or to its first fault, and each change survives being re-written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::reply::SessionChanges;

fuzz_target!(|state: &[u8]| {
    let mut written = Vec::new();
    let mut changes = Vec::new();
    let mut faulty = false;
    for change in SessionChanges::new(state) {
        assert!(!faulty, "nothing comes behind a fault");
        match change {
            Ok(change) => {
                change.encode(&mut written);
                changes.push(change);
            }
            Err(_) => faulty = true,
        }
        // the shortest change is a variable of two empty texts
        assert!(
            2 * changes.len() <= state.len(),
            "more changes than bytes for them"
        );
    }
    let again: Vec<_> = SessionChanges::new(&written)
        .collect::<Result<_, _>>()
        .expect("what was written can be read");
    assert_eq!(again, changes);
});
