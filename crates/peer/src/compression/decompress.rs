//! Out of one compressed packet, as far as there is room.

use std::cell::RefCell;
use std::io;

use flate2::{Decompress, FlushDecompress, Status};
use wire::compressed::Compression;
use zstd::stream::raw::{DParameter, InBuffer, Operation, OutBuffer};

use super::CompressionError;

/// Decompressors that a thread keeps for later, in number of each kind. Each has 40 to 160 KiB.
const POOLED_MAX: usize = 4;

/// Largest content after which a decompressor is kept: zstd's grows with what it has decompressed.
const POOLED_CONTENT_BYTES_MAX: usize = 1024 * 1024;

/// The farthest that zstd may look back, as a power of two: 16 MiB, the largest content of a packet. A frame that
/// wants more is refused before memory is taken for it.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;

thread_local! {
    static ZLIB: RefCell<Vec<Decompress>> = const { RefCell::new(Vec::new()) };
    static ZSTD: RefCell<Vec<zstd::stream::raw::Decoder<'static>>> = const { RefCell::new(Vec::new()) };
}

/// The state of one packet's decompression; goes back to its thread's pool when it is dropped.
pub(crate) struct Decompressor {
    state: State,
    /// Bytes that the packet announced and that have not come out yet.
    left: usize,
    /// Whether its memory is worth keeping.
    is_small: bool,
}

enum State {
    Zlib(Decompress),
    Zstd(zstd::stream::raw::Decoder<'static>),
    Returned,
}

/// What a step has moved.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    /// Bytes of the input.
    pub(crate) taken: usize,
    /// Bytes of the output.
    pub(crate) given: usize,
    /// The packet is complete.
    pub(crate) ended: bool,
}

impl Step {
    fn add(&mut self, moved: Step) {
        self.taken += moved.taken;
        self.given += moved.given;
        self.ended |= moved.ended;
    }
}

impl Decompressor {
    /// For a packet that announces `content_bytes`.
    pub(crate) fn lease(compression: Compression, content_bytes: usize) -> io::Result<Self> {
        let state = match compression {
            Compression::Zlib => {
                let pooled = ZLIB.with_borrow_mut(Vec::pop);
                State::Zlib(match pooled {
                    Some(mut zlib) => {
                        zlib.reset(true);
                        zlib
                    }
                    None => Decompress::new(true),
                })
            }
            Compression::Zstd { .. } => {
                let pooled = ZSTD.with_borrow_mut(Vec::pop);
                State::Zstd(match pooled {
                    Some(mut zstd) => {
                        zstd.reinit()?;
                        zstd
                    }
                    None => {
                        let mut zstd = zstd::stream::raw::Decoder::new()?;
                        zstd.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))?;
                        zstd
                    }
                })
            }
        };
        Ok(Self {
            state,
            left: content_bytes,
            is_small: content_bytes <= POOLED_CONTENT_BYTES_MAX,
        })
    }

    /// Takes from `input` and gives to `output`, which must have room. `input_ends` says that the packet has no bytes
    /// behind `input`.
    ///
    /// The content's last byte is given only when all of the packet is right, as if it had been decompressed as a
    /// whole: nobody acts on a command before its checksum was looked at. Nothing given means that more input is
    /// needed.
    pub(crate) fn step(
        &mut self,
        input: &[u8],
        input_ends: bool,
        output: &mut [u8],
    ) -> Result<Step, CompressionError> {
        let held_back = usize::from(!input_ends);
        let room = output.len().min(self.left.saturating_sub(held_back));
        let mut step = Step::default();
        while step.given < room {
            let rest = input.get(step.taken..).unwrap_or_default();
            let moved = self.run(rest, output.get_mut(step.given..room).unwrap_or_default())?;
            step.add(moved);
            self.left = self.left.saturating_sub(moved.given);
            if moved.ended || moved == Step::default() {
                break;
            }
        }
        if self.left == 0 && !step.ended {
            step.add(self.finish(input.get(step.taken..).unwrap_or_default())?);
        }
        if step.ended && (self.left > 0 || !input_ends || step.taken < input.len()) {
            return Err(CompressionError::Corrupt("its lengths are not those announced"));
        }
        if step.given == 0 && input_ends {
            return Err(CompressionError::Corrupt("it is cut off"));
        }
        Ok(step)
    }

    /// Reads the trailer of a content whose bytes have all come out.
    fn finish(&mut self, input: &[u8]) -> Result<Step, CompressionError> {
        let mut step = Step::default();
        while !step.ended {
            let moved = self.run(input.get(step.taken..).unwrap_or_default(), &mut [0])?;
            if moved.given > 0 {
                return Err(CompressionError::Corrupt("it is longer than announced"));
            }
            step.add(moved);
            if moved == Step::default() {
                return Err(CompressionError::Corrupt("it is cut off"));
            }
        }
        Ok(step)
    }

    fn run(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, CompressionError> {
        match &mut self.state {
            State::Zlib(zlib) => {
                let (before_in, before_out) = (zlib.total_in(), zlib.total_out());
                let status = zlib
                    .decompress(input, output, FlushDecompress::None)
                    .map_err(|_| CompressionError::Corrupt("it is not of zlib"))?;
                Ok(Step {
                    taken: usize::try_from(zlib.total_in() - before_in).unwrap_or(usize::MAX),
                    given: usize::try_from(zlib.total_out() - before_out).unwrap_or(usize::MAX),
                    ended: status == Status::StreamEnd,
                })
            }
            State::Zstd(zstd) => {
                let mut input = InBuffer::around(input);
                let mut output = OutBuffer::around(output);
                let hint = zstd
                    .run(&mut input, &mut output)
                    .map_err(|_| CompressionError::Corrupt("it is not of zstd"))?;
                Ok(Step {
                    taken: input.pos(),
                    given: output.pos(),
                    ended: hint == 0,
                })
            }
            State::Returned => Err(CompressionError::Corrupt("it has ended")),
        }
    }
}

impl Drop for Decompressor {
    fn drop(&mut self) {
        fn keep<T>(pool: &'static std::thread::LocalKey<RefCell<Vec<T>>>, state: T) {
            // the pool is gone while its thread ends; then the state just goes too
            let _ = pool.try_with(|pool| {
                let mut pool = pool.borrow_mut();
                if pool.len() < POOLED_MAX {
                    pool.push(state);
                }
            });
        }
        match std::mem::replace(&mut self.state, State::Returned) {
            State::Zlib(zlib) => keep(&ZLIB, zlib),
            State::Zstd(zstd) if self.is_small => keep(&ZSTD, zstd),
            State::Zstd(_) | State::Returned => {}
        }
    }
}

impl std::fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decompressor")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
