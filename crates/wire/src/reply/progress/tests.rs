use super::*;
use crate::frame;
use crate::reply::TextResultSet;
use proptest::prelude::*;

const OLD: Capabilities = Capabilities::SESSION_TRACK;
const NEW: Capabilities = Capabilities(Capabilities::SESSION_TRACK.0 | Capabilities::DEPRECATE_EOF.0);

/// Feeds `reply` in pieces of `step` bytes; returns the controls seen and the bytes consumed.
fn walk(progress: &mut Progress, reply: &[u8], step: usize) -> (Vec<Control>, usize) {
    let (mut controls, mut start, mut end) = (Vec::new(), 0, 0);
    while !progress.is_done() && !progress.wants_upload() {
        match progress.next(&reply[start..end]).unwrap() {
            Piece::Bytes(count) => start += count,
            Piece::Packet(count, control) => {
                start += count;
                controls.push(control);
            }
            Piece::Incomplete(needed) => assert!(start + needed > end, "asked for what was there"),
        }
        if progress.is_done() || end == reply.len() && start == end {
            break;
        }
        end = (end + step).min(reply.len());
    }
    (controls, start)
}

fn result_set(capabilities: Capabilities, status: StatusFlags) -> Vec<u8> {
    let mut out = Vec::new();
    TextResultSet::new(&["a", "b"])
        .row(vec![Some("1".into()), None])
        .row(vec![Some("x".repeat(300)), Some("y".into())])
        .encode(capabilities, status, &mut out);
    out
}

#[test]
fn a_result_set_ends_where_it_ends_in_pieces_of_any_size() {
    for capabilities in [OLD, NEW] {
        let reply = result_set(capabilities, StatusFlags::AUTOCOMMIT);
        for step in 1..reply.len() + 1 {
            let mut progress = Progress::new(Shape::Results, capabilities);
            let (controls, consumed) = walk(&mut progress, &reply, step);
            assert!(progress.is_done());
            assert_eq!(consumed, reply.len());
            assert_eq!(progress.rows(), 2);
            let end = *controls.last().unwrap();
            assert!(matches!(end, Control::Ok(s) | Control::Eof(s) if s == StatusFlags::AUTOCOMMIT));
        }
    }
}

#[test]
fn results_follow_while_the_flag_says_so() {
    for capabilities in [OLD, NEW] {
        let mut reply = result_set(capabilities, StatusFlags::MORE_RESULTS);
        OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(capabilities, 9, &mut reply);
        let expected = reply.len();
        reply.extend_from_slice(b"not ours");
        let mut progress = Progress::new(Shape::Results, capabilities);
        let (_, consumed) = walk(&mut progress, &reply, 7);
        assert!(progress.is_done());
        assert_eq!(consumed, expected);
    }
}

#[test]
fn an_error_in_the_middle_of_rows_ends_the_reply() {
    let mut reply = result_set(OLD, StatusFlags::AUTOCOMMIT);
    reply.truncate(reply.len() - 9);
    crate::ServerError::new(1317, b"70100", "Query execution was interrupted").encode(7, &mut reply);
    let mut progress = Progress::new(Shape::Results, OLD);
    let (controls, consumed) = walk(&mut progress, &reply, 3);
    assert_eq!(controls.last(), Some(&Control::Err(1317)));
    assert_eq!(consumed, reply.len());
}

#[test]
fn a_row_that_begins_like_an_end_is_a_row() {
    // a first column of 16 MiB: 0xfe and eight bytes of length, in a packet of the largest size
    let mut row = vec![0xfe];
    row.extend_from_slice(&(20_000_000u64).to_le_bytes());
    row.resize(20_000_009, b'x');
    for capabilities in [OLD, NEW] {
        let mut reply = Vec::new();
        frame::encode(&[1], 1, &mut reply);
        frame::encode(
            b"\x03def\x00\x00\x00\x01a\x00\x0c-\x00\x00\x04\x00\x00\xfd\x00\x00\x00\x00\x00",
            2,
            &mut reply,
        );
        if capabilities == OLD {
            frame::encode(&[0xfe, 0, 0, 2, 0], 3, &mut reply);
        }
        frame::encode(&row, 4, &mut reply);
        if capabilities == OLD {
            frame::encode(&[0xfe, 0, 0, 2, 0], 6, &mut reply);
        } else {
            frame::encode(&[0xfe, 0, 0, 2, 0, 0, 0], 6, &mut reply);
        }
        let mut progress = Progress::new(Shape::Results, capabilities);
        let (_, consumed) = walk(&mut progress, &reply, 65_536);
        assert!(progress.is_done());
        assert_eq!(consumed, reply.len());
    }
}

#[test]
fn a_prepared_statement_with_parameters_and_columns() {
    for (capabilities, eof) in [(OLD, true), (NEW, false)] {
        let mut reply = Vec::new();
        let mut sequence = frame::encode(&[0, 7, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], 1, &mut reply);
        for group in [2, 1] {
            for _ in 0..group {
                sequence = frame::encode(b"\x03def column", sequence, &mut reply);
            }
            if eof {
                sequence = frame::encode(&[0xfe, 0, 0, 2, 0], sequence, &mut reply);
            }
        }
        let mut progress = Progress::new(Shape::Prepare, capabilities);
        let (controls, consumed) = walk(&mut progress, &reply, 5);
        assert!(progress.is_done());
        assert_eq!(consumed, reply.len());
        assert_eq!(
            controls,
            [Control::Prepared(PrepareOk {
                statement_id: 7,
                columns: 1,
                parameters: 2,
                described: true,
            })]
        );
    }
}

#[test]
fn a_cursor_ends_the_reply_after_its_columns() {
    let mut reply = Vec::new();
    frame::encode(&[1], 1, &mut reply);
    frame::encode(b"\x03def column", 2, &mut reply);
    frame::encode(&[0xfe, 0, 0, 0x42, 0], 3, &mut reply);
    let mut progress = Progress::new(Shape::Results, OLD).with_cursor(true);
    let (_, consumed) = walk(&mut progress, &reply, 100);
    assert!(progress.is_done());
    assert_eq!(consumed, reply.len());
    // a procedure with a cursor of its own sets the flag too, and rows follow
    let mut progress = Progress::new(Shape::Results, OLD);
    walk(&mut progress, &reply, 100);
    assert!(!progress.is_done());
}

#[test]
fn the_ok_behind_out_parameters_belongs_to_the_reply() {
    // in MySQL 9.7 only the first of the two EOF packets says that more follows, in MariaDB 10.11 both do
    for behind_rows in [[2, 0], [0x0a, 0x10]] {
        let [low, high] = behind_rows;
        let mut reply = Vec::new();
        frame::encode(&[1], 1, &mut reply);
        frame::encode(b"\x03def column", 2, &mut reply);
        frame::encode(&[0xfe, 0, 0, 0x0a, 0x10], 3, &mut reply);
        frame::encode(&[0, 0, 7, 0, 0, 0], 4, &mut reply);
        frame::encode(&[0xfe, 0, 0, low, high], 5, &mut reply);
        OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(OLD, 6, &mut reply);
        let mut progress = Progress::new(Shape::Results, OLD);
        let (_, consumed) = walk(&mut progress, &reply, 100);
        assert!(progress.is_done(), "{behind_rows:?}");
        assert_eq!(consumed, reply.len());
    }
}

/// Replies of MySQL 9.7 to a client that does without metadata, for both ways to end columns and rows.
#[test]
fn replies_without_metadata_end_where_they_end() {
    let optional = Capabilities::OPTIONAL_RESULTSET_METADATA;
    let eof: &[u8] = &[0xfe, 0, 0, 2, 0];
    let cursor: &[u8] = &[0xfe, 0, 0, 0x42, 0];
    let ok: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];
    let cursor_ok: &[u8] = &[0xfe, 0, 0, 0x42, 0, 0, 0];
    let row: &[u8] = b"\x011\x012";
    let prepared: &[u8] = &[0, 1, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0];
    let replies: [(Shape, Capabilities, &[&[u8]]); 7] = [
        (Shape::Results, OLD, &[&[2, 0], eof, row, eof]),
        (Shape::Results, NEW, &[&[2, 0], row, ok]),
        (Shape::Results, OLD, &[&[2, 0], cursor]),
        (Shape::Results, NEW, &[&[2, 0], cursor_ok]),
        (
            Shape::Results,
            NEW,
            &[&[2, 1], b"\x03def one", b"\x03def two", row, ok],
        ),
        (Shape::Prepare, OLD, &[prepared, eof, eof]),
        (Shape::Prepare, NEW, &[prepared]),
    ];
    for (shape, capabilities, packets) in replies {
        let mut reply = Vec::new();
        for (packet, sequence) in packets.iter().zip(1..) {
            frame::encode(packet, sequence, &mut reply);
        }
        for step in [1, 7, reply.len()] {
            let asked = packets.contains(&cursor);
            let mut progress = Progress::new(shape, capabilities | optional).with_cursor(asked);
            let (_, consumed) = walk(&mut progress, &reply, step);
            assert!(progress.is_done(), "{shape:?} {capabilities:?} {packets:?}");
            assert_eq!(consumed, reply.len());
        }
    }
}

#[test]
fn a_report_of_progress_is_not_the_end() {
    let mut reply = Vec::new();
    let report = b"\xff\xff\xff\x01\x01\x02\x10\x27\x00\x10copy to tmp table";
    let sequence = frame::encode(report, 1, &mut reply);
    let sequence = frame::encode(report, sequence, &mut reply);
    OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(NEW, sequence, &mut reply);
    let mut progress = Progress::new(Shape::Results, NEW | Capabilities::MARIADB_PROGRESS);
    let (controls, consumed) = walk(&mut progress, &reply, 5);
    let ok = Control::Ok(StatusFlags::AUTOCOMMIT);
    assert_eq!(controls, [Control::Report, Control::Report, ok]);
    assert_eq!(consumed, reply.len());
    // who has not asked for reports gets an error by that number
    let mut progress = Progress::new(Shape::Results, NEW);
    assert_eq!(walk(&mut progress, &reply, 5).0, [Control::Err(0xffff)]);
}

#[test]
fn a_local_file_is_asked_for_and_the_reply_goes_on() {
    let mut reply = Vec::new();
    frame::encode(b"\xfb/tmp/x", 1, &mut reply);
    let mut progress = Progress::new(Shape::Results, NEW);
    let (controls, _) = walk(&mut progress, &reply, 100);
    assert_eq!(controls, [Control::LocalInfile]);
    assert!(progress.wants_upload());
    progress.upload_sent();
    let mut reply = Vec::new();
    OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(NEW, 3, &mut reply);
    walk(&mut progress, &reply, 100);
    assert!(progress.is_done());
}

#[test]
fn verdicts_and_texts() {
    for (shape, payload) in [
        (Shape::Verdict, &[0u8, 0, 0, 2, 0, 0, 0][..]),
        (Shape::Verdict, &[0xfe, 0, 0, 2, 0]),
        (Shape::Text, b"Uptime: 5"),
    ] {
        let mut reply = Vec::new();
        frame::encode(payload, 1, &mut reply);
        let mut progress = Progress::new(shape, NEW);
        let (_, consumed) = walk(&mut progress, &reply, 2);
        assert!(progress.is_done());
        assert_eq!(consumed, reply.len());
    }
    assert!(Progress::new(Shape::Nothing, NEW).is_done());
}

#[test]
fn events_go_on_until_an_eof_or_an_error() {
    let large = [&b"\0"[..], &vec![0xff; PACKET_PAYLOAD_BYTES_MAX + 20]].concat();
    let ends = [
        (&b"\xfe\0\0\x02\0"[..], Control::Eof(StatusFlags::AUTOCOMMIT)),
        (b"\xfe\0\0\x02\0\0\0", Control::Ok(StatusFlags::AUTOCOMMIT)),
        (b"\xff\xd4\x04#HY000x", Control::Err(1236)),
    ];
    for (end, control) in ends {
        let mut reply = Vec::new();
        // an event may hold anything behind its first byte, and begin a packet of its own with it
        for event in [&b"\0event"[..], b"\0\xfe", &large, b"\0\xff\xff"] {
            frame::encode(event, 1, &mut reply);
        }
        let events = reply.len();
        frame::encode(end, 1, &mut reply);
        let mut progress = Progress::new(Shape::Events, NEW);
        let (controls, consumed) = walk(&mut progress, &reply[..events], 1 << 16);
        assert!(controls.is_empty() && !progress.is_done() && progress.is_between_packets());
        assert_eq!(consumed, events);
        let (controls, _) = walk(&mut progress, &reply[events..], 3);
        assert_eq!(controls, [control]);
        assert!(progress.is_done());
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_stall(
        bytes in proptest::collection::vec(any::<u8>(), 0..400), shape in 0..6u8, new: bool, optional: bool,
    ) {
        let shape = [
            Shape::Results, Shape::Prepare, Shape::Verdict, Shape::Rows, Shape::Text, Shape::Events,
        ][usize::from(shape)];
        let extra = Capabilities::OPTIONAL_RESULTSET_METADATA | Capabilities::MARIADB_PROGRESS;
        let extra = if optional { extra } else { Capabilities::NONE };
        let mut progress = Progress::new(shape, if new { NEW } else { OLD } | extra);
        let mut rest = &bytes[..];
        for _ in 0..bytes.len() + 2 {
            match progress.next(rest) {
                Ok(Piece::Bytes(n) | Piece::Packet(n, _)) => {
                    prop_assert!(n <= rest.len());
                    rest = &rest[n..];
                    if progress.is_done() || progress.wants_upload() || rest.is_empty() { break; }
                }
                Ok(Piece::Incomplete(needed)) => { prop_assert!(needed > rest.len()); break; }
                Err(_) => break,
            }
        }
    }
}
