//! Whatever a server answers, in pieces of whatever size: no panic, no piece beyond what is there, no stall.
//! How the bytes are cut must not change where a reply is found to end.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::Capabilities;
use wire::reply::{Control, Piece, Progress, Shape};

const SHAPES: [Shape; 6] = [
    Shape::Results,
    Shape::Prepare,
    Shape::Verdict,
    Shape::Rows,
    Shape::Text,
    Shape::Nothing,
];

/// What was seen of a reply: its control packets, the bytes consumed, and how it went on.
#[derive(Debug, PartialEq)]
struct Seen {
    controls: Vec<Control>,
    consumed: usize,
    done: bool,
    broken: bool,
}

fn walk(shape: Shape, capabilities: Capabilities, reply: &[u8], step: usize) -> Seen {
    let mut progress = Progress::new(shape, capabilities);
    let mut controls = Vec::new();
    let (mut start, mut end) = (0, 0);
    let mut broken = false;
    // each round consumes, uploads, or brings more bytes; more rounds than this is a stall
    let rounds_max = 4 * reply.len() + 16;
    let mut rounds = 0;
    while !progress.is_done() {
        rounds += 1;
        assert!(rounds <= rounds_max, "a stall at {start} of {}", reply.len());
        if progress.wants_upload() {
            progress.upload_sent();
        }
        let input = &reply[start..end];
        let consumed = match progress.next(input) {
            Ok(Piece::Bytes(count)) => count,
            Ok(Piece::Packet(count, control)) => {
                assert!(count > 0);
                controls.push(control);
                count
            }
            Ok(Piece::Incomplete(needed)) => {
                assert!(needed > input.len(), "asked for {needed}, has {}", input.len());
                0
            }
            Err(_) => {
                broken = true;
                break;
            }
        };
        assert!(consumed <= input.len(), "consumed {consumed} of {}", input.len());
        start += consumed;
        if consumed == 0 {
            if end == reply.len() {
                break;
            }
            end = (end + step).min(reply.len());
        }
    }
    Seen {
        controls,
        consumed: start,
        done: progress.is_done(),
        broken,
    }
}

fuzz_target!(|data: &[u8]| {
    let [shape, flags, step, reply @ ..] = data else {
        return;
    };
    let shape = SHAPES[usize::from(*shape) % SHAPES.len()];
    let capabilities = fuzz::command_phase(*flags);
    let whole = walk(shape, capabilities, reply, reply.len().max(1));
    let pieces = walk(shape, capabilities, reply, usize::from(*step).max(1));
    assert_eq!(whole, pieces);
});
