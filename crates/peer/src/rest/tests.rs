use super::*;
use crate::budget::Budget;
use crate::inbox::{Intake, Received};
use tokio::io::{AsyncReadExt, DuplexStream};
use wire::frame;

const BUFFER_BYTES: usize = 10_000;

fn packets(payload: &[u8], sequence: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(payload, sequence, &mut bytes);
    bytes
}

fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n % 251).to_le_bytes()[0]).collect()
}

async fn begun(inbox: &mut Inbox, client: &mut &[u8]) -> Begun {
    let budget = Budget::new(0);
    let intake = Intake {
        bytes_max: usize::MAX,
        stream_above_bytes: Some(100_000),
        budget: &budget,
        read_timeout: None,
    };
    match inbox.command(client, intake).await {
        Ok(Received::Begun(begun)) => begun,
        other => unreachable!("{other:?}"),
    }
}

/// Everything that the server's end gets.
async fn all(mut far: DuplexStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    far.read_to_end(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_command_passes_as_it_came_and_what_follows_is_not_its_own() {
    let sent = packets(&payload((1 << 24) + 77), 0);
    let bytes = [&sent[..], &packets(b"\x0e", 0)].concat();
    let (mut client, mut inbox, mut outbox) = (&bytes[..], Inbox::default(), Outbox::default());
    let mut rest = begun(&mut inbox, &mut client).await.into_rest();
    let (mut server, far) = tokio::io::duplex(BUFFER_BYTES);
    let got = tokio::spawn(all(far));
    let pumped = rest
        .pump(&mut inbox, &mut client, &mut server, &mut outbox, None)
        .await;
    assert_eq!(pumped.unwrap(), Pumped::Done);
    drop(server);
    assert!(got.await.unwrap() == sent);
    // a ping is behind it
    let ahead = inbox
        .take()
        .map(|chunk| chunk.filled().to_vec())
        .unwrap_or_default();
    assert_eq!([&ahead, client].concat(), packets(b"\x0e", 0));
}

#[tokio::test]
async fn a_command_with_another_front_is_cut_into_packets_anew() {
    for size in [200_000, (1 << 24) - 3, (1 << 25) + 5] {
        let old = payload(size);
        let bytes = packets(&old, 0);
        let (mut client, mut inbox, mut outbox) = (&bytes[..], Inbox::default(), Outbox::default());
        let front = b"another front".to_vec();
        let expected = packets(&[&front[..], &old[10..]].concat(), 0);
        let mut rest = begun(&mut inbox, &mut client).await.replace_front(10, front);
        let (mut server, far) = tokio::io::duplex(BUFFER_BYTES);
        let got = tokio::spawn(all(far));
        let pumped = rest
            .pump(&mut inbox, &mut client, &mut server, &mut outbox, None)
            .await;
        assert_eq!(pumped.unwrap(), Pumped::Done);
        drop(server);
        assert!(got.await.unwrap() == expected);
    }
}

#[tokio::test]
async fn an_answer_before_the_end_is_heard_though_the_server_takes_no_more() {
    let bytes = packets(&payload(300_000), 0);
    let (mut client, mut inbox, mut outbox) = (&bytes[..], Inbox::default(), Outbox::default());
    let mut rest = begun(&mut inbox, &mut client).await.into_rest();
    let (mut server, mut far) = tokio::io::duplex(BUFFER_BYTES);
    far.write_all(b"too large").await.unwrap();
    let pumped = rest
        .pump(&mut inbox, &mut client, &mut server, &mut outbox, None)
        .await;
    assert_eq!(pumped.unwrap(), Pumped::Answered);
    assert_eq!(outbox.take().unwrap().filled(), b"too large");
    // it goes on when the server takes the rest, and ends when it leaves
    let mut some = vec![0; 30_000];
    let taking = async {
        far.read_exact(&mut some).await.unwrap();
        drop(far);
    };
    let pumping = rest.pump(&mut inbox, &mut client, &mut server, &mut outbox, None);
    let (pumped, ()) = tokio::join!(pumping, taking);
    assert!(matches!(pumped, Err(PumpError::Server(_))));
    assert!(bytes.starts_with(&some));
}

#[tokio::test]
async fn a_file_passes_up_to_its_empty_packet() {
    let file = [packets(&payload(70_000), 2), packets(b"", 3)].concat();
    let bytes = [&file[..], &packets(b"\x0e", 0)].concat();
    let (mut client, mut inbox, mut outbox) = (&bytes[..], Inbox::default(), Outbox::default());
    let (mut server, far) = tokio::io::duplex(BUFFER_BYTES);
    let got = tokio::spawn(all(far));
    let mut rest = Rest::file(2);
    let pumped = rest
        .pump(&mut inbox, &mut client, &mut server, &mut outbox, None)
        .await;
    assert_eq!(pumped.unwrap(), Pumped::Done);
    assert_eq!((rest.taken_bytes(), rest.sequence()), (file.len() as u64, 4));
    drop(server);
    assert!(got.await.unwrap() == file);
    assert!(inbox.has_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_leaves_or_miscounts_is_told_apart() {
    let file = packets(&payload(70_000), 2);
    let (mut server, _far) = tokio::io::duplex(1 << 20);
    let (mut client, mut end) = tokio::io::duplex(1 << 20);
    end.write_all(&file[..60_000]).await.unwrap();
    let (mut inbox, mut outbox) = (Inbox::default(), Outbox::default());
    let limit = Some(Duration::from_secs(30));
    let mut rest = Rest::file(2);
    let stopped = rest
        .pump(&mut inbox, &mut client, &mut server, &mut outbox, limit)
        .await;
    assert!(matches!(stopped, Err(PumpError::Client(InboxError::Timeout))));
    drop(end);
    let left = rest
        .pump(&mut inbox, &mut client, &mut server, &mut outbox, limit)
        .await;
    assert!(matches!(left, Err(PumpError::Client(InboxError::Cut))));
    let mut inbox = Inbox::default();
    let miscounted = Rest::file(3)
        .pump(&mut inbox, &mut &file[..], &mut server, &mut outbox, limit)
        .await;
    assert!(matches!(
        miscounted,
        Err(PumpError::Client(InboxError::OutOfOrder))
    ));
}
