//! A recorded session's bytes, broken at random. The same seed breaks them in the same way.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Most faults in one session, so that some of it is still understood.
const FAULTS_MAX: usize = 4;
/// Bytes that one fault puts in.
const INSERTED_BYTES_MAX: usize = 64;
/// Numbers at which decoders go wrong.
const BORDERS: [u8; 12] = [0, 1, 2, 4, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];

/// Breaks sessions.
#[derive(Debug)]
pub struct Mutator(StdRng);

impl Mutator {
    /// The one with that number.
    #[must_use]
    pub fn new(seed: u64) -> Mutator {
        Mutator(StdRng::seed_from_u64(seed))
    }

    /// Whether something that happens once in `n` times happens now.
    pub fn once_in(&mut self, n: u32) -> bool {
        self.0.random_ratio(1, n)
    }

    /// The packets (headers included), broken in one to four places, as one run of bytes.
    pub fn broken(&mut self, packets: &[Vec<u8>]) -> Vec<u8> {
        let mut packets = packets.to_vec();
        for _ in 0..self.0.random_range(1..=FAULTS_MAX) {
            self.break_once(&mut packets);
        }
        packets.concat()
    }

    fn break_once(&mut self, packets: &mut Vec<Vec<u8>>) {
        if packets.is_empty() {
            return;
        }
        let at = self.0.random_range(0..packets.len());
        match self.0.random_range(0..12) {
            // what is in it
            0..=4 => self.break_bytes(packets, at),
            // how long it says it is: right at the limits, off by a few, or anything
            5 => self.change(packets, at, |rng, packet| {
                let length: u32 = match rng.random_range(0..4) {
                    0 => 0,
                    1 => 0x00ff_ffff,
                    2 => rng.random_range(0..=packet.len() as u32 + 8),
                    _ => rng.random_range(0..=0x00ff_ffff),
                };
                let length = length.to_le_bytes();
                for (place, byte) in packet.iter_mut().zip(length).take(3) {
                    *place = byte;
                }
            }),
            // which number it has
            6 => self.change(packets, at, |rng, packet| {
                if let Some(sequence) = packet.get_mut(3) {
                    *sequence = rng.random();
                }
            }),
            // which command it is
            7 => self.change(packets, at, |rng, packet| {
                if let Some(code) = packet.get_mut(4) {
                    *code = rng.random();
                }
            }),
            8 => {
                let twice = packets[at].clone();
                packets.insert(at, twice);
            }
            9 => {
                packets.remove(at);
            }
            10 => {
                let other = self.0.random_range(0..packets.len());
                packets.swap(at, other);
            }
            // the end of everything, anywhere
            _ => {
                let keep = self.0.random_range(0..=packets[at].len());
                packets[at].truncate(keep);
                packets.truncate(at + 1);
            }
        }
    }

    fn break_bytes(&mut self, packets: &mut [Vec<u8>], at: usize) {
        self.change(packets, at, |rng, packet| {
            let place = rng.random_range(0..=packet.len());
            match rng.random_range(0..4) {
                0 => {
                    if let Some(byte) = packet.get_mut(place) {
                        *byte ^= 1 << rng.random_range(0..8);
                    }
                }
                1 => {
                    if let Some(byte) = packet.get_mut(place) {
                        *byte = BORDERS[rng.random_range(0..BORDERS.len())];
                    }
                }
                2 => {
                    let count = rng.random_range(1..=INSERTED_BYTES_MAX);
                    let bytes: Vec<u8> = (0..count).map(|_| rng.random()).collect();
                    packet.splice(place..place, bytes);
                }
                _ => {
                    let end = rng.random_range(place..=packet.len());
                    packet.drain(place..end);
                }
            }
            // most faults are behind an honest header: that is where decoders are
            if rng.random_ratio(3, 4) && packet.len() >= 4 {
                let length = u32::try_from(packet.len() - 4).unwrap_or(0).to_le_bytes();
                packet[..3].copy_from_slice(&length[..3]);
            }
        });
    }

    fn change(&mut self, packets: &mut [Vec<u8>], at: usize, change: impl FnOnce(&mut StdRng, &mut Vec<u8>)) {
        if let Some(packet) = packets.get_mut(at) {
            change(&mut self.0, packet);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_breaks_in_one_way_and_another_in_another() {
        let packets = vec![b"\x05\0\0\0\x03DO 1".to_vec(), b"\x01\0\0\0\x0e".to_vec()];
        let broken = |seed| Mutator::new(seed).broken(&packets);
        assert_eq!(broken(7), broken(7));
        let different: std::collections::BTreeSet<_> = (0..100).map(broken).collect();
        assert!(different.len() > 50, "{}", different.len());
    }
}
