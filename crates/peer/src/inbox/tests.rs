use super::*;
use wire::frame;

fn intake(budget: &Budget, bytes_max: usize, stream_above_bytes: Option<usize>) -> Intake<'_> {
    Intake {
        bytes_max,
        stream_above_bytes,
        budget,
        read_timeout: None,
    }
}

/// The next command where all of them are held as a whole.
pub(crate) async fn command<S: AsyncRead + Unpin>(
    inbox: &mut Inbox,
    stream: &mut S,
    bytes_max: usize,
) -> Result<Command, InboxError> {
    let budget = Budget::new(1 << 30);
    match inbox.command(stream, intake(&budget, bytes_max, None)).await? {
        Received::Whole(command) => Ok(command),
        Received::Begun(_) => unreachable!("nothing streams"),
    }
}

fn packets(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::encode(payload, 0, &mut bytes);
    bytes
}

#[tokio::test]
async fn commands_in_one_segment_come_one_by_one() {
    let bytes = [packets(b"\x19\x01\0\0\0"), packets(b"\x03SELECT 1")].concat();
    let mut stream = &bytes[..];
    let mut inbox = Inbox::default();
    let first = command(&mut inbox, &mut stream, 100).await.unwrap();
    assert_eq!(first.code(), CommandCode::STMT_CLOSE);
    assert!(inbox.has_bytes());
    let second = command(&mut inbox, &mut stream, 100).await.unwrap();
    assert_eq!(second.payload(), b"\x03SELECT 1");
    assert!(!inbox.has_bytes());
}

#[tokio::test]
async fn a_command_of_several_packets_is_put_together_and_cut_again() {
    for size in [
        20 << 20,
        PACKET_PAYLOAD_BYTES_MAX,
        2 * PACKET_PAYLOAD_BYTES_MAX + 1,
    ] {
        let mut payload: Vec<u8> = (0..size).map(|n| n.to_le_bytes()[0]).collect();
        payload[0] = 3;
        let bytes = [packets(&payload), packets(b"\x0e")].concat();
        let mut stream = &bytes[..];
        let mut inbox = Inbox::default();
        let whole = command(&mut inbox, &mut stream, 64 << 20).await.unwrap();
        assert!(whole.payload() == payload);
        assert!(whole.into_packets().filled() == packets(&payload));
        let next = command(&mut inbox, &mut stream, 64 << 20).await.unwrap();
        assert_eq!(next.code(), CommandCode::PING);
    }
}

#[tokio::test]
async fn what_is_too_large_out_of_order_or_cut_is_told_apart() {
    let mut bytes = packets(b"\x03SELECT 1");
    assert!(matches!(
        command(&mut Inbox::default(), &mut &bytes[..], 8).await,
        Err(InboxError::TooLarge { max: 8 })
    ));
    assert!(matches!(
        command(&mut Inbox::default(), &mut &bytes[..9], 80).await,
        Err(InboxError::Cut)
    ));
    bytes[3] = 1;
    assert!(matches!(
        command(&mut Inbox::default(), &mut &bytes[..], 80).await,
        Err(InboxError::OutOfOrder)
    ));
    let mut second_out_of_order = packets(&vec![3; PACKET_PAYLOAD_BYTES_MAX + 3]);
    second_out_of_order[PACKET_HEADER_BYTES + PACKET_PAYLOAD_BYTES_MAX + 3] = 7;
    let mut inbox = Inbox::default();
    assert!(matches!(
        command(&mut inbox, &mut &second_out_of_order[..], 1 << 30).await,
        Err(InboxError::OutOfOrder)
    ));
    // as a server answers it
    assert_eq!(inbox.sequence(), 1);
}

#[tokio::test]
async fn memory_is_taken_as_bytes_arrive_and_comes_back() {
    let budget = Budget::new(300_000);
    let bytes = packets(&vec![3; 200_000]);
    // announced, and not here
    let mut stream = tokio_stream(&bytes[..50_000]);
    let mut inbox = Inbox::default();
    let half = inbox.command(&mut stream.near, intake(&budget, 1 << 20, None));
    assert!(
        tokio::time::timeout(Duration::from_millis(20), half)
            .await
            .is_err()
    );
    let budget_in_use = Budget::new(300_000);
    let mut inbox = Inbox::default();
    let whole = inbox
        .command(&mut &bytes[..], intake(&budget_in_use, 1 << 20, None))
        .await
        .unwrap();
    assert_eq!(budget_in_use.bytes_left(), 300_000 - bytes.len());
    let mut second = Inbox::default();
    let refused = second
        .command(&mut &bytes[..], intake(&budget_in_use, 1 << 20, None))
        .await;
    assert!(matches!(refused, Err(InboxError::OverBudget)));
    drop(whole);
    assert_eq!(budget_in_use.bytes_left(), 300_000);
    assert_eq!(budget.bytes_left(), 300_000);
}

struct Ends {
    near: tokio::io::DuplexStream,
    _far: tokio::io::DuplexStream,
}

/// A stream that has these bytes and stays open.
fn tokio_stream(bytes: &[u8]) -> Ends {
    use tokio::io::AsyncWrite;
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let written = std::pin::Pin::new(&mut far).poll_write(&mut cx, bytes);
    assert!(matches!(written, std::task::Poll::Ready(Ok(count)) if count == bytes.len()));
    Ends { near, _far: far }
}

#[tokio::test]
async fn a_large_command_begins_to_stream_and_so_does_one_without_memory() {
    let bytes = packets(&vec![3; 200_000]);
    for (above, budget_bytes) in [(100_000, 1 << 20), (1 << 20, 60_000)] {
        let budget = Budget::new(budget_bytes);
        let received = Inbox::default()
            .command(&mut &bytes[..], intake(&budget, 1 << 20, Some(above)))
            .await;
        let Ok(Received::Begun(begun)) = received else {
            unreachable!("{received:?}")
        };
        assert_eq!((begun.code(), begun.sequence()), (CommandCode::QUERY, 1));
        assert!(begun.start().len() >= CHUNK_BYTES - PACKET_HEADER_BYTES && begun.start().len() < 100_000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stops_in_the_middle_is_not_waited_for() {
    let bytes = packets(&vec![3; 200_000]);
    let budget = Budget::new(1 << 20);
    let mut stream = tokio_stream(&bytes[..100_000]);
    let limited = Intake {
        read_timeout: Some(Duration::from_secs(30)),
        ..intake(&budget, 1 << 20, None)
    };
    let refused = Inbox::default().command(&mut stream.near, limited).await;
    assert!(matches!(refused, Err(InboxError::Timeout)));
    assert_eq!(budget.bytes_left(), 1 << 20);
}
