//! Clients get each packet in two compressed ones at most.

use std::ops::Range;

use rand::Rng as _;
use wire::limits::{PACKET_HEADER_BYTES, PACKET_PAYLOAD_BYTES_MAX};

use super::super::whole::GATHERED_BYTES_MAX;
use super::*;

/// The stretches of the stream of ordinary packets that came in one compressed packet each, whether that was compressed,
/// and the stream.
struct Pieces {
    stretches: Vec<(Range<usize>, bool)>,
    content: Vec<u8>,
}

impl Pieces {
    fn of(raw: &[u8]) -> Self {
        let (mut stretches, mut content, mut rest) = (Vec::new(), Vec::new(), raw);
        while let Some(header) = CompressedHeader::peek(rest) {
            assert_eq!(usize::from(header.sequence), stretches.len() % 256);
            let (payload, tail) = rest[COMPRESSED_HEADER_BYTES..].split_at(header.payload_bytes);
            let start = content.len();
            if header.is_compressed() {
                let mut zlib = flate2::Decompress::new(true);
                let mut part = Vec::with_capacity(header.uncompressed_bytes + 1);
                let ended = zlib.decompress_vec(payload, &mut part, flate2::FlushDecompress::Finish);
                assert_eq!(ended.unwrap(), flate2::Status::StreamEnd);
                assert_eq!(part.len(), header.uncompressed_bytes);
                assert_eq!(zlib.total_in(), payload.len() as u64);
                content.append(&mut part);
            } else {
                content.extend_from_slice(payload);
            }
            stretches.push((start..content.len(), header.is_compressed()));
            rest = tail;
        }
        assert_eq!(rest, b"");
        Self { stretches, content }
    }

    /// In how many compressed packets each ordinary one came; none of their headers may be cut.
    fn per_packet(&self) -> Vec<usize> {
        let (mut counts, mut start) = (Vec::new(), 0);
        while let Some(header) = frame::Header::peek(&self.content[start..]) {
            let touches = |range: &Range<usize>| {
                let part = |(stretch, _): &&(Range<usize>, bool)| {
                    stretch.start < range.end && range.start < stretch.end
                };
                self.stretches.iter().filter(part).count()
            };
            assert_eq!(touches(&(start..start + PACKET_HEADER_BYTES)), 1);
            let range = start..start + header.packet_bytes();
            counts.push(touches(&range));
            start = range.end;
        }
        assert_eq!(start, self.content.len());
        counts
    }
}

/// Sends `packets` as a relay does, in chunks of at most that size; returns all that the client gets.
async fn sent_in_chunks(packets: &[u8], chunk_bytes_max: usize) -> Vec<u8> {
    let (mut client, server) = pair();
    let mut server = server.compressed_for_client(Compression::Zlib);
    let written = async {
        let mut rest = packets;
        while !rest.is_empty() {
            let count = rand::rng().random_range(1..=chunk_bytes_max).min(rest.len());
            server.write_all(&rest[..count]).await.unwrap();
            server.flush().await.unwrap();
            rest = &rest[count..];
        }
        let Stream::Compressed(compressed) = &server else {
            unreachable!()
        };
        assert_eq!(compressed.output.capacity_bytes(), 0);
        drop(server);
    };
    let mut raw = Vec::new();
    let (read, ()) = tokio::join!(client.read_to_end(&mut raw), written);
    read.unwrap();
    raw
}

fn text(bytes: usize) -> Vec<u8> {
    let line = |n: usize| format!("row number {n} of a table of rows; ").into_bytes();
    (0..).flat_map(line).take(bytes).collect()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    rand::rng().fill(&mut noise[..]);
    noise
}

#[tokio::test]
async fn packets_of_all_sizes_come_in_two_pieces_at_most() {
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for size in 0..300 {
        frame::encode(&text(size), 7, &mut small);
    }
    for size in [
        5000,
        CHUNK_BYTES - 4,
        CHUNK_BYTES,
        CONTENT_BYTES_MAX - 4,
        CONTENT_BYTES_MAX,
        CONTENT_BYTES_MAX + CHUNK_BYTES,
        3 * CONTENT_BYTES_MAX + 1,
        2_000_000,
    ] {
        frame::encode(&text(size), 7, &mut large);
        frame::encode(&noise(size), 7, &mut large);
        frame::encode(b"small", 7, &mut large);
    }
    for (packets, chunk_bytes_max) in [
        (&small, 2),
        (&small, 100),
        (&small, CHUNK_BYTES),
        (&large, 1460),
        (&large, CHUNK_BYTES),
        (&large, 300_000),
    ] {
        let raw = sent_in_chunks(packets, chunk_bytes_max).await;
        let pieces = Pieces::of(&raw);
        assert!(pieces.content == *packets);
        let counts = pieces.per_packet();
        assert_eq!(counts.iter().max(), Some(&2), "{chunk_bytes_max}: {counts:?}");
    }
}

/// Rows above 16 MiB are several packets, and the largest of them goes as it is or not, by where it was cut.
#[tokio::test]
async fn the_largest_packets_come_in_two_pieces_too() {
    for payload in [text(40_000_000), noise(2 * PACKET_PAYLOAD_BYTES_MAX)] {
        let mut packets = Vec::new();
        frame::encode(&payload, 3, &mut packets);
        let raw = sent_in_chunks(&packets, CHUNK_BYTES).await;
        let pieces = Pieces::of(&raw);
        assert!(pieces.content == packets);
        let counts = pieces.per_packet();
        assert_eq!(counts.len(), 3);
        assert!(counts.iter().all(|&count| count <= 2), "{counts:?}");
    }
}

/// A rest that is gathered is compressed; the beginning of a large row does not wait for it.
#[tokio::test]
async fn a_large_packet_is_compressed_and_begins_at_once() {
    let mut packets = Vec::new();
    frame::encode(&text(1_200_000), 3, &mut packets);
    let (client, server) = pair();
    let mut client = client.compressed_for_server(Compression::Zlib);
    let mut server = server.compressed_for_client(Compression::Zlib);
    server.write_all(&packets[..CHUNK_BYTES]).await.unwrap();
    server.flush().await.unwrap();
    let mut first = vec![0; CHUNK_BYTES];
    client.read_exact(&mut first).await.unwrap();
    assert_eq!(first[4..], packets[4..CHUNK_BYTES]);

    let raw = sent_in_chunks(&packets, CHUNK_BYTES).await;
    assert!(raw.len() < packets.len() / 3, "{}", raw.len());
    assert!(
        Pieces::of(&raw)
            .stretches
            .iter()
            .all(|(_, compressed)| *compressed)
    );
}

/// Many sessions in the middle of large packets share what a thread has for them; whoever finds nothing left passes
/// its packet as it comes, in two pieces too.
#[tokio::test]
async fn what_finds_no_memory_goes_as_it_is() {
    const PAYLOAD_BYTES: usize = 10_000_000;
    let mut packets = Vec::new();
    frame::encode(&noise(PAYLOAD_BYTES), 3, &mut packets);
    let mut waiting = Vec::new();
    let mut held = 0;
    for _ in 0..6 {
        let (client, server) = pair();
        let mut server = server.compressed_for_client(Compression::Zlib);
        server.write_all(&packets[..CHUNK_BYTES]).await.unwrap();
        server.flush().await.unwrap();
        // nobody reads: what is gathered needs no reader, what passes as it is stops
        let written = std::future::poll_fn(|cx| {
            let mut rest = &packets[CHUNK_BYTES..packets.len() - 1];
            while !rest.is_empty() {
                match Pin::new(&mut server).poll_write(cx, rest) {
                    Poll::Ready(count) => rest = &rest[count.unwrap()..],
                    Poll::Pending => return Poll::Ready(false),
                }
            }
            Poll::Ready(true)
        });
        let gathered = written.await;
        held += usize::from(gathered);
        waiting.push((client, server));
    }
    assert_eq!(held, GATHERED_BYTES_MAX / PAYLOAD_BYTES);
    let raw = sent_in_chunks(&packets, CHUNK_BYTES).await;
    let pieces = Pieces::of(&raw);
    assert!(pieces.content == packets);
    assert_eq!(pieces.per_packet(), [2]);
    assert!(!pieces.stretches[1].1);
    drop(waiting);
    let raw = sent_in_chunks(&packets, CHUNK_BYTES).await;
    assert!(Pieces::of(&raw).stretches[1].1);
}
