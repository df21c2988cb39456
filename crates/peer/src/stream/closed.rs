//! Whether the other end has gone, asked while something else is waited for.

use std::io;
use std::mem::MaybeUninit;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpStream, UnixStream};

use super::{Plain, Stream};

/// Bytes that wait hide the end behind them from a look; the kernel is asked again after this.
const LOOK_AGAIN_INTERVAL: Duration = Duration::from_secs(1);

impl Stream {
    /// Resolves once the other end has closed its side. Takes no byte out of the stream, and costs no system call
    /// while nothing comes.
    pub async fn closed(&self) {
        match self {
            Stream::Tcp(stream) => tcp_closed(stream).await,
            Stream::Unix(stream) => unix_closed(stream).await,
            Stream::Tls(stream) => match stream.get_ref().0 {
                Plain::Tcp(stream) => tcp_closed(stream).await,
                Plain::Unix(stream) => unix_closed(stream).await,
            },
            Stream::Compressed(stream) => Box::pin(stream.inner().closed()).await,
        }
    }
}

macro_rules! closed {
    ($name:ident, $type:ty) => {
        async fn $name(stream: &$type) {
            loop {
                match stream.ready(Interest::READABLE).await {
                    Ok(ready) if ready.is_read_closed() => return,
                    Err(_) => return,
                    Ok(_) => {}
                }
                // a readiness that is out of date is cleared by looking
                match stream.try_io(Interest::READABLE, || peek(&SockRef::from(stream))) {
                    Ok(0) => return,
                    Ok(_) => tokio::time::sleep(LOOK_AGAIN_INTERVAL).await,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
        }
    };
}

closed!(tcp_closed, TcpStream);
closed!(unix_closed, UnixStream);

fn peek(socket: &SockRef<'_>) -> io::Result<usize> {
    socket.peek(&mut [MaybeUninit::uninit()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    async fn is_closed(stream: &Stream) -> bool {
        let wait = tokio::time::timeout(Duration::from_secs(20), stream.closed());
        wait.await.is_ok()
    }

    #[tokio::test]
    async fn an_end_is_seen_and_nothing_is_taken() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = Stream::Unix(near);
        let early = tokio::time::timeout(Duration::from_millis(20), near.closed());
        assert!(early.await.is_err());
        far.write_all(b"sent ahead").await.unwrap();
        drop(far);
        assert!(is_closed(&near).await);
        let Stream::Unix(near) = near else { return };
        let mut bytes = [0; 32];
        assert_eq!(near.try_read(&mut bytes).unwrap(), 10);
    }

    #[tokio::test]
    async fn bytes_alone_are_no_end() {
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = Stream::Unix(near);
        far.write_all(b"sent ahead").await.unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), near.closed());
        assert!(early.await.is_err());
        drop(far);
        assert!(is_closed(&near).await);
    }
}
