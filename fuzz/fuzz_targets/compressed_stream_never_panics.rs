//! Whatever comes in the place of compressed packets: an end or an error, and never more than the packets announce. What
//! one end writes, in pieces of any size, the other reads.

#![no_main]

use std::os::unix::net::UnixStream;
use std::sync::LazyLock;

use libfuzzer_sys::{Corpus, fuzz_target};
use peer::stream::Stream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::{Builder, Runtime};
use wire::compressed::{CompressedHeader, Compression, ZstdLevel};

/// Both fit into a socket's buffer, so that one task can write and then read.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// A packet may announce 16 MiB; more than some of them would only cost time.
const READ_BYTES_MAX: usize = 64 * 1024 * 1024;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_io().build().expect("a runtime"));

fuzz_target!(|input: &[u8]| -> Corpus {
    let [choice, bytes @ ..] = input else {
        return Corpus::Reject;
    };
    if bytes.len() > INPUT_BYTES_MAX {
        return Corpus::Reject;
    }
    let compression = match choice & 1 {
        0 => Compression::Zlib,
        _ => Compression::Zstd {
            level: ZstdLevel::MIN,
        },
    };
    RUNTIME.block_on(async {
        let is_server = choice & 2 == 0;
        anything_comes(compression, is_server, bytes).await;
        what_is_written_is_read(compression, usize::from(choice >> 2), bytes).await;
    });
    Corpus::Keep
});

async fn anything_comes(compression: Compression, is_server: bool, bytes: &[u8]) {
    let [mut raw, end] = pair();
    raw.write_all(bytes).await.expect("room in the socket's buffer");
    raw.shutdown().await.expect("an open socket");
    let mut end = match is_server {
        true => end.compressed_for_client(compression),
        false => end.compressed_for_server(compression),
    };
    let (mut seen, mut buffer) = (0, vec![0; 64 * 1024]);
    while let Ok(count) = end.read(&mut buffer).await {
        seen += count;
        if count == 0 || seen > READ_BYTES_MAX {
            break;
        }
    }
    assert!(seen <= announced(bytes), "{seen} bytes of {}", announced(bytes));
}

/// What packets that follow from the first byte on may hold at most. Behind one that is none, nothing is read.
fn announced(mut bytes: &[u8]) -> usize {
    let mut sum = 0;
    while let Some(header) = CompressedHeader::peek(bytes) {
        sum += match header.is_compressed() {
            true => header.uncompressed_bytes,
            false => header.payload_bytes,
        };
        let packet = 7 + header.payload_bytes;
        bytes = bytes.get(packet..).unwrap_or_default();
    }
    sum
}

async fn what_is_written_is_read(compression: Compression, piece: usize, bytes: &[u8]) {
    let [client, server] = pair();
    let mut client = client.compressed_for_server(compression);
    let mut server = server.compressed_for_client(compression);
    for piece in bytes.chunks(piece.max(1) * 64) {
        client.write_all(piece).await.expect("room in the socket's buffer");
        client.flush().await.expect("room in the socket's buffer");
    }
    client.shutdown().await.expect("an open socket");
    let mut read = Vec::new();
    server.read_to_end(&mut read).await.expect("packets of our own");
    assert!(read == bytes, "what was read is not what was written");
}

fn pair() -> [Stream; 2] {
    let (one, other) = UnixStream::pair().expect("a pair of sockets");
    [one, other].map(|end| Stream::from_unix(end).expect("a socket of this runtime"))
}
