mod whole;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use wire::compressed::ZstdLevel;
use wire::frame;

use super::output::CONTENT_BYTES_MAX;
use super::*;
use crate::inbox::tests::command;
use crate::inbox::{Inbox, InboxError};

const ALL: [Compression; 2] = [
    Compression::Zlib,
    Compression::Zstd {
        level: ZstdLevel::DEFAULT,
    },
];

fn pair() -> (Stream, Stream) {
    let (a, b) = UnixStream::pair().unwrap();
    (Stream::Unix(a), Stream::Unix(b))
}

/// The raw bytes of a stream's other end.
async fn read_raw(stream: &mut Stream, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    bytes
}

#[tokio::test]
async fn a_large_command_and_its_reply_come_through() {
    let mut payload: Vec<u8> = (0..20u32 << 20).map(|n| (n / 1000).to_le_bytes()[0]).collect();
    payload[0] = 3;
    for compression in ALL {
        let (client, server) = pair();
        let mut client = client.compressed_for_server(compression);
        let mut server = server.compressed_for_client(compression);
        let sent = async {
            crate::relay::send_payload(&mut client, &payload).await.unwrap();
            let mut reply = [0; 8];
            client.read_exact(&mut reply).await.unwrap();
            reply
        };
        let received = async {
            let mut inbox = Inbox::default();
            let command = command(&mut inbox, &mut server, 64 << 20).await.unwrap();
            // our own server's reply follows the ordinary packets
            server
                .write_all(&[4, 0, 0, 2, b'a', b'b', b'c', b'd'])
                .await
                .unwrap();
            server.flush().await.unwrap();
            command
        };
        let (reply, command) = tokio::join!(sent, received);
        assert!(command.payload() == payload);
        assert_eq!(reply, [4, 0, 0, 2, b'a', b'b', b'c', b'd']);
        let Stream::Compressed(server) = server else {
            unreachable!()
        };
        assert!(server.input.is_none() && server.packet.is_none());
        assert_eq!(server.output.capacity_bytes(), 0);
    }
}

#[tokio::test]
async fn short_content_goes_as_it_is_and_commands_begin_at_zero() {
    let (client, mut server) = pair();
    let mut client = client.compressed_for_server(Compression::Zlib);
    let mut commands = Vec::new();
    frame::encode(b"\x02db", 0, &mut commands);
    frame::encode(b"\x0e", 0, &mut commands);
    client.write_all(&commands).await.unwrap();
    client.flush().await.unwrap();
    let expected = b"\x07\0\0\0\0\0\0\x03\0\0\0\x02db\x05\0\0\0\0\0\0\x01\0\0\0\x0e";
    assert_eq!(read_raw(&mut server, expected.len()).await, expected);
}

#[tokio::test]
async fn replies_are_numbered_behind_their_own_command() {
    let (mut client, server) = pair();
    let mut server = server.compressed_for_client(Compression::Zlib);
    // two commands at once, the first in two compressed packets
    client
        .write_all(b"\x03\0\0\0\0\0\0\x02\0\0\x03\0\0\x01\0\0\0\0\x0e\x0e\x05\0\0\0\0\0\0\x01\0\0\0\x0e")
        .await
        .unwrap();
    let mut inbox = Inbox::default();
    for number in [2, 1] {
        command(&mut inbox, &mut server, 100).await.unwrap();
        for part in [b"\x01\0\0\x01\0", b"\x01\0\0\x02\0"] {
            server.write_all(part).await.unwrap();
            server.flush().await.unwrap();
        }
        let raw = read_raw(&mut client, 24).await;
        assert_eq!((raw[3], raw[15]), (number, number + 1), "{raw:?}");
    }
}

#[tokio::test]
async fn what_is_no_compressed_packet_is_told_apart() {
    let mut corrupt = vec![20, 0, 0, 0, 99, 0, 0];
    corrupt.extend_from_slice(&[0x55; 20]);
    for (bytes, name) in [
        (&corrupt[..], "Uncompress"),
        (&[0, 0, 0, 0, 9, 0, 0], "Uncompress"),
        (&[5, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 14], "OutOfOrder"),
        (&[5, 0, 0, 0, 0, 0], "Io"),
        (&[5, 0, 0, 0, 0, 0, 0, 1, 0], "Io"),
        (&[5, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "Io"),
        (&[4, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], "Cut"),
    ] {
        let (mut client, server) = pair();
        let mut server = server.compressed_for_client(Compression::Zlib);
        client.write_all(bytes).await.unwrap();
        drop(client);
        let error = command(&mut Inbox::default(), &mut server, 100)
            .await
            .unwrap_err();
        let found = match error {
            InboxError::Uncompress => "Uncompress",
            InboxError::OutOfOrder => "OutOfOrder",
            InboxError::Io(_) => "Io",
            InboxError::Cut => "Cut",
            error => panic!("{error:?}"),
        };
        assert_eq!(found, name, "{bytes:?}");
    }
}

#[tokio::test]
async fn the_end_between_two_packets_is_an_end() {
    let (client, server) = pair();
    let mut server = server.compressed_for_client(Compression::Zlib);
    drop(client);
    assert!(Chunk::read(&mut server).await.unwrap().is_empty());
}

/// The first rows of a result must not wait for the last: what was flushed can be read.
#[tokio::test]
async fn a_flush_sends_what_is_there() {
    for compression in ALL {
        let (client, server) = pair();
        let mut client = client.compressed_for_server(compression);
        let mut server = server.compressed_for_client(compression);
        for round in 0..3u8 {
            let mut rows = Vec::new();
            frame::encode(&vec![round; 40_000], round, &mut rows);
            server.write_all(&rows).await.unwrap();
            server.flush().await.unwrap();
            let mut read = vec![9; rows.len()];
            client.read_exact(&mut read).await.unwrap();
            assert!(read == rows);
        }
        assert_eq!(client.transport(), wire::handshake::Transport::UnixSocket);
    }
}

/// Who does not read is not written to without a bound.
#[tokio::test]
async fn a_slow_reader_stops_the_writer() {
    let (_client, server) = pair();
    let mut server = server.compressed_for_client(Compression::Zlib);
    let random: Vec<u8> = std::iter::repeat_with(rand::random).take(50_000).collect();
    let mut row = Vec::new();
    frame::encode(&random, 1, &mut row);
    let mut written = 0usize;
    let stopped = std::future::poll_fn(|cx| {
        loop {
            let rest = &row[written % row.len()..];
            match Pin::new(&mut server).poll_write(cx, rest) {
                Poll::Ready(Ok(count)) => written += count,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
    });
    stopped.await.unwrap();
    assert!(written < 4 << 20, "{written}");
    let Stream::Compressed(server) = &server else {
        unreachable!()
    };
    assert!(server.output.capacity_bytes() < 8 * CONTENT_BYTES_MAX);
}
