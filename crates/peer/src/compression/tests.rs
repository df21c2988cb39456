use super::*;

const ZSTD: Compression = Compression::Zstd {
    level: ZstdLevel::DEFAULT,
};

fn compressed(compression: Compression, content: &[u8]) -> Vec<u8> {
    let mut out = vec![0; content.len()];
    let count = compress(compression, content, &mut out).unwrap();
    out.truncate(count);
    out
}

/// What comes out when the packet arrives in pieces of `input_bytes` and is taken in pieces of `output_bytes`.
fn decompressed(
    compression: Compression,
    packet: &[u8],
    announced: usize,
    input_bytes: usize,
    output_bytes: usize,
) -> Result<Vec<u8>, CompressionError> {
    let mut state = Decompressor::lease(compression, announced).unwrap();
    let (mut content, mut arrived, mut start) = (Vec::new(), 0, 0);
    loop {
        let mut output = vec![0; output_bytes];
        let step = state.step(&packet[start..arrived], arrived == packet.len(), &mut output)?;
        start += step.taken;
        content.extend_from_slice(&output[..step.given]);
        if step.ended {
            return Ok(content);
        }
        if step.given == 0 {
            assert!(arrived < packet.len(), "neither an error nor an end");
            arrived = packet.len().min(arrived + input_bytes);
        }
    }
}

#[test]
fn contents_survive_however_they_are_cut() {
    let content = b"the quick brown fox jumps over the lazy dog; ".repeat(1000);
    for compression in [Compression::Zlib, ZSTD] {
        let packet = compressed(compression, &content);
        assert!(packet.len() < content.len() / 10);
        for (input, output) in [
            (1, 1),
            (1, 40_000),
            (7, 333),
            (packet.len(), 1),
            (100_000, 100_000),
        ] {
            let again = decompressed(compression, &packet, content.len(), input, output);
            assert!(again.unwrap() == content, "{compression:?} {input} {output}");
        }
    }
}

#[test]
fn what_is_short_or_random_is_sent_as_it_is() {
    let random: Vec<u8> = std::iter::repeat_with(rand::random).take(5000).collect();
    for compression in [Compression::Zlib, ZSTD] {
        assert_eq!(compress(compression, &[7; 49], &mut [0; 49]), None);
        assert!(compress(compression, &[7; 50], &mut [0; 50]).is_some());
        assert_eq!(compress(compression, &random, &mut [0; 5000]), None);
    }
}

#[test]
fn a_length_that_is_not_the_real_one_is_an_error() {
    let content = b"abcdefgh".repeat(100);
    for compression in [Compression::Zlib, ZSTD] {
        let packet = compressed(compression, &content);
        let mut longer = packet.clone();
        longer.push(0);
        for (packet, announced) in [
            (&packet[..], 799),
            (&packet, 801),
            (&packet, 1),
            (&packet, 0xff_ffff),
            (&packet[..packet.len() - 1], 800),
            (&[], 800),
            (&longer, 800),
        ] {
            for (input, output) in [(1, 1), (9999, 9999), (9999, 100)] {
                let error = decompressed(compression, packet, announced, input, output);
                assert!(error.is_err(), "{compression:?} {} {announced}", packet.len());
            }
        }
    }
}

#[test]
fn the_last_byte_waits_for_the_checksum() {
    let content = [b'x'; 500];
    let mut packet = compressed(Compression::Zlib, &content);
    let last = packet.len() - 1;
    packet[last] ^= 1;
    let mut state = Decompressor::lease(Compression::Zlib, 500).unwrap();
    let mut output = [0; 600];
    let step = state.step(&packet[..last], false, &mut output).unwrap();
    assert!(step.given < 500 && !step.ended, "{step:?}");
    let rest = &packet[step.taken..];
    assert!(state.step(rest, true, &mut output).is_err());
}

#[test]
fn a_bomb_gives_no_more_than_there_is_room_for() {
    let content = vec![0; 0xff_ffff];
    for compression in [Compression::Zlib, ZSTD] {
        let packet = compressed(compression, &content);
        assert!(packet.len() < 20_000);
        let mut state = Decompressor::lease(compression, content.len()).unwrap();
        let mut output = [1; 1000];
        let step = state.step(&packet, true, &mut output).unwrap();
        assert_eq!((step.given, step.ended), (1000, false));
    }
}

#[test]
fn a_frame_that_looks_back_too_far_is_refused() {
    // magic, no single segment, a window of 2^27 bytes
    let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88, 0x01, 0x00, 0x00];
    let mut state = Decompressor::lease(ZSTD, 100).unwrap();
    let refused = state.step(&frame, true, &mut [0; 100]);
    assert_eq!(refused, Err(CompressionError::Corrupt("it is not of zstd")));
}

#[test]
fn bytes_that_are_nothing_end_in_errors() {
    for seed in 0..5000u32 {
        let bytes: Vec<u8> = std::iter::repeat_with(rand::random)
            .take(usize::try_from(seed % 60).unwrap())
            .collect();
        for compression in [Compression::Zlib, ZSTD] {
            let _ = decompressed(compression, &bytes, 1 + bytes.len() * 3, 5, 7);
        }
    }
}
