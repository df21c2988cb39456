use super::*;
use wire::reply::{OkPacket, Shape, TextResultSet};
use wire::{Capabilities, StatusFlags};

const CAPABILITIES: Capabilities =
    Capabilities(Capabilities::SESSION_TRACK.0 | Capabilities::DEPRECATE_EOF.0);

impl Asker for tokio::io::DuplexStream {
    fn closed(&self) -> impl Future<Output = ()> {
        std::future::pending()
    }
}

/// Takes everything, and has gone.
struct Gone(Vec<u8>);

impl AsyncWrite for Gone {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

impl Asker for Gone {
    fn closed(&self) -> impl Future<Output = ()> {
        std::future::ready(())
    }
}

struct Passing;
impl Observer for Passing {
    fn control(&mut self, _: Control, _: &[u8]) -> Edit {
        Edit::Pass
    }
}

struct Rewriting;
impl Observer for Rewriting {
    fn control(&mut self, control: Control, _: &[u8]) -> Edit {
        match control {
            Control::Ok(_) => Edit::Replace(b"END".to_vec()),
            _ => Edit::Pass,
        }
    }
}

struct Withholding;
impl Observer for Withholding {
    fn control(&mut self, control: Control, _: &[u8]) -> Edit {
        if matches!(control, Control::Err(1792)) {
            Edit::Withhold
        } else {
            Edit::Pass
        }
    }
}

fn rows(count: usize) -> Vec<u8> {
    let mut set = TextResultSet::new(&["a"]);
    for _ in 0..count {
        set = set.row(vec![Some("x".repeat(500))]);
    }
    let mut out = Vec::new();
    set.encode(CAPABILITIES, StatusFlags::AUTOCOMMIT, &mut out);
    out
}

async fn relay(
    bytes: &[u8],
    observer: &mut impl Observer,
) -> (Result<Ended, RelayError>, Vec<u8>, Outbox, Moved) {
    let (mut out, mut outbox, mut moved) = (Vec::new(), Outbox::default(), Moved::default());
    let mut progress = Progress::new(Shape::Results, CAPABILITIES);
    // a small duplex delivers in pieces that cut packets anywhere
    let (mut near, mut far) = tokio::io::duplex(613);
    let bytes = bytes.to_vec();
    let writer = tokio::spawn(async move {
        let _ = far.write_all(&bytes).await;
    });
    let ended = outbox
        .relay(&mut near, Some(&mut out), &mut progress, observer, &mut moved)
        .await;
    drop(near);
    writer.await.unwrap();
    (ended, out, outbox, moved)
}

#[tokio::test]
async fn a_large_result_passes_unchanged_and_what_follows_is_kept() {
    let reply = rows(400);
    let (ended, out, _, moved) = relay(&reply, &mut Passing).await;
    assert_eq!(ended.unwrap(), Ended::Done);
    assert_eq!(out, reply);
    assert_eq!(moved.bytes, reply.len() as u64);
    assert!(moved.at_boundary);
}

#[tokio::test]
async fn an_edited_packet_takes_the_place_of_the_old_one() {
    let reply = rows(3);
    let (ended, out, ..) = relay(&reply, &mut Rewriting).await;
    assert_eq!(ended.unwrap(), Ended::Done);
    assert!(out.ends_with(b"END"));
    assert_eq!(out[..out.len() - 3], reply[..reply.len() - 11]);
}

#[tokio::test]
async fn a_withheld_error_delivers_nothing() {
    let mut reply = Vec::new();
    wire::ServerError::new(
        1792,
        b"25006",
        "Cannot execute statement in a READ ONLY transaction.",
    )
    .encode(1, &mut reply);
    let (ended, out, ..) = relay(&reply, &mut Withholding).await;
    assert_eq!(ended.unwrap(), Ended::Withheld);
    assert!(out.is_empty());
}

#[tokio::test]
async fn a_lost_server_is_told_apart_and_the_place_is_known() {
    let reply = rows(4);
    let cut_inside_a_row = reply.len() - 200;
    let (ended, _, _, moved) = relay(&reply[..cut_inside_a_row], &mut Passing).await;
    assert!(matches!(ended, Err(RelayError::From(_))));
    assert!(!moved.at_boundary);
    let (ended, _, _, moved) = relay(&reply[..reply.len() - 11], &mut Passing).await;
    assert!(matches!(ended, Err(RelayError::From(_))));
    assert!(moved.at_boundary);
    assert_eq!(moved.sequence, 6);
}

#[tokio::test]
async fn pipelined_replies_are_read_one_by_one() {
    let mut bytes = Vec::new();
    OkPacket::plain(StatusFlags::AUTOCOMMIT).encode(CAPABILITIES, 1, &mut bytes);
    let second = rows(1);
    bytes.extend_from_slice(&second);
    let (mut outbox, mut moved, mut out) = (Outbox::default(), Moved::default(), Vec::new());
    let mut from = &bytes[..];
    let mut progress = Progress::new(Shape::Results, CAPABILITIES);
    let none: Option<&mut Vec<u8>> = None;
    outbox
        .relay(&mut from, none, &mut progress, &mut Passing, &mut moved)
        .await
        .unwrap();
    assert!(outbox.has_bytes());
    let mut progress = Progress::new(Shape::Results, CAPABILITIES);
    outbox
        .relay(&mut from, Some(&mut out), &mut progress, &mut Passing, &mut moved)
        .await
        .unwrap();
    assert_eq!(out, second);
}

#[tokio::test(start_paused = true)]
async fn whoever_does_not_read_has_failed_after_the_timeout() {
    let reply = rows(40);
    // room for 100 bytes, and nobody who reads them
    let (mut to, _nobody) = tokio::io::duplex(100);
    let mut outbox = Outbox::with_write_timeout(Duration::from_secs(60));
    let mut progress = Progress::new(Shape::Results, CAPABILITIES);
    let ended = outbox
        .relay(
            &mut &reply[..],
            Some(&mut to),
            &mut progress,
            &mut Passing,
            &mut Moved::default(),
        )
        .await;
    assert!(matches!(ended, Err(RelayError::To(error)) if error.kind() == io::ErrorKind::TimedOut));
}

async fn asked_by_one_who_has_gone(mut outbox: Outbox, reply: &[u8]) -> (Result<Ended, RelayError>, Vec<u8>) {
    let (mut server, mut from) = tokio::io::duplex(100_000);
    server.write_all(reply).await.unwrap();
    let (mut gone, mut progress) = (Gone(Vec::new()), Progress::new(Shape::Results, CAPABILITIES));
    let moved = &mut Moved::default();
    let ended = outbox
        .relay(&mut from, Some(&mut gone), &mut progress, &mut Passing, moved)
        .await;
    (ended, gone.0)
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_does_not_come_is_not_waited_for_when_nobody_is_there() {
    let reply = rows(4);
    let (all, part) = (&reply[..], &reply[..reply.len() - 200]);
    let (ended, _) = asked_by_one_who_has_gone(Outbox::default(), part).await;
    assert!(matches!(ended, Err(RelayError::To(error)) if error.kind() == io::ErrorKind::ConnectionAborted));
    let begun = tokio::time::Instant::now();
    let patient = Outbox::with_write_timeout(Duration::from_secs(60));
    let (ended, _) = asked_by_one_who_has_gone(patient, part).await;
    assert!(matches!(ended, Err(RelayError::To(_))));
    assert_eq!(begun.elapsed().as_secs(), 60);
    // what is there is passed on
    let (ended, got) = asked_by_one_who_has_gone(Outbox::default(), all).await;
    assert_eq!(ended.unwrap(), Ended::Done);
    assert_eq!(got, all);
}
