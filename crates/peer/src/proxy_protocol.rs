//! The header of the [PROXY protocol](https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt), version 2: what a
//! load balancer says of a client before it passes the client's first byte on.
//!
//! ```text
//! 12 bytes   signature
//! int<1>     version 2 (upper half), command 0 LOCAL or 1 PROXY (lower half)
//! int<1>     family (upper half) and transport (lower half)
//! int<2>     bytes that follow, big-endian
//!            addresses, then further facts that are skipped
//! ```
//!
//! Whom to believe is the caller's to know: anybody can send these bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use wire::{Reader, ServerError};

use crate::error::{LoginError, Reason};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, command, family and length.
const HEAD_BYTES: usize = 16;

/// Longest part behind the head, in bytes: addresses take 216 at most, a TLS client certificate's name and the like
/// some hundred more.
const BODY_BYTES_MAX: usize = 4096;

/// Whom the connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announced {
    /// For the client at this address.
    Client(IpAddr),
    /// For the load balancer itself (LOCAL, as in its health checks), or for a client that has no IP address.
    Itself,
}

/// Reads the header, to its last byte and not one further, within `deadline`.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S, deadline: Duration) -> Result<Announced, LoginError> {
    match tokio::time::timeout(deadline, read_header(stream)).await {
        Ok(announced) => announced,
        Err(_elapsed) => {
            let told = ServerError::read_timeout();
            let detail = "no header of the PROXY protocol came in time";
            Err(LoginError::new(Reason::Timeout, Some(told), detail))
        }
    }
}

async fn read_header<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Announced, LoginError> {
    let mut head = [0; HEAD_BYTES];
    let (signature, rest) = head.split_at_mut(SIGNATURE.len());
    read_exact(stream, signature).await?;
    if *signature != SIGNATURE {
        return Err(bad_header("no header of the PROXY protocol, version 2"));
    }
    read_exact(stream, rest).await?;
    let [command, family, high, low] = *rest else {
        return Err(bad_header("a head of another length"));
    };
    let body_bytes = usize::from(u16::from_be_bytes([high, low]));
    if body_bytes > BODY_BYTES_MAX {
        return Err(bad_header("a header that is too long"));
    }
    let mut body = vec![0; body_bytes];
    read_exact(stream, &mut body).await?;
    decode(command, family, &body)
}

async fn read_exact<S: AsyncRead + Unpin>(stream: &mut S, place: &mut [u8]) -> Result<(), LoginError> {
    match stream.read_exact(place).await {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            let detail = "the connection was closed before a header of the PROXY protocol";
            Err(LoginError::new(Reason::Disconnected, None, detail))
        }
        Err(error) => Err(error.into()),
    }
}

fn decode(command: u8, family: u8, body: &[u8]) -> Result<Announced, LoginError> {
    const LOCAL: u8 = 0x20;
    const PROXY: u8 = 0x21;
    const TCP4: u8 = 0x11;
    const TCP6: u8 = 0x21;
    const UNIX_STREAM: u8 = 0x31;
    const UNSPECIFIED: u8 = 0x00;
    let mut reader = Reader::new(body);
    match (command, family) {
        // what the addresses say is to be ignored
        (LOCAL, _) | (PROXY, UNSPECIFIED | UNIX_STREAM) => Ok(Announced::Itself),
        (PROXY, TCP4) => {
            // source, destination, their ports
            let [a, b, c, d] = address(&mut reader)?;
            reader.bytes(8, "addresses")?;
            Ok(Announced::Client(Ipv4Addr::new(a, b, c, d).into()))
        }
        (PROXY, TCP6) => {
            let source: [u8; 16] = address(&mut reader)?;
            reader.bytes(20, "addresses")?;
            Ok(Announced::Client(Ipv6Addr::from(source).to_canonical()))
        }
        _ => Err(bad_header("a header with an unknown command or family")),
    }
}

fn address<const N: usize>(reader: &mut Reader<'_>) -> Result<[u8; N], LoginError> {
    let bytes = reader.bytes(N, "addresses")?;
    bytes
        .try_into()
        .map_err(|_| bad_header("an address of another length"))
}

fn bad_header(detail: &str) -> LoginError {
    LoginError::new(Reason::BadHandshake, Some(ServerError::bad_handshake()), detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = SIGNATURE.to_vec();
        bytes.extend_from_slice(&[command, family]);
        bytes.extend_from_slice(&u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(body);
        bytes
    }

    async fn read_all(mut bytes: &[u8]) -> Result<(Announced, usize), Reason> {
        let announced = read(&mut bytes, Duration::from_secs(9)).await;
        announced
            .map(|announced| (announced, bytes.len()))
            .map_err(|error| error.reason)
    }

    #[tokio::test]
    async fn a_client_is_announced_and_nothing_behind_the_header_is_taken() {
        // 192.0.2.7:50000 to 198.51.100.1:3306, and a fact of three bytes
        let four = [192, 0, 2, 7, 198, 51, 100, 1, 0xc3, 0x50, 0x0c, 0xea, 4, 0, 0];
        let mut bytes = header(0x21, 0x11, &four);
        bytes.extend_from_slice(b"behind");
        let client = Announced::Client("192.0.2.7".parse().unwrap());
        assert_eq!(read_all(&bytes).await, Ok((client, 6)));

        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
        let client = Announced::Client("2001:db8::7".parse().unwrap());
        assert_eq!(read_all(&header(0x21, 0x21, &six)).await, Ok((client, 0)));
    }

    #[tokio::test]
    async fn a_health_check_is_the_load_balancers_own() {
        for (command, family, body) in [
            (0x20, 0x00, 0),
            (0x20, 0x11, 12),
            (0x21, 0x00, 3),
            (0x21, 0x31, 216),
        ] {
            let bytes = header(command, family, &vec![1; body]);
            assert_eq!(read_all(&bytes).await, Ok((Announced::Itself, 0)));
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        let mut signature = header(0x21, 0x11, &[0; 12]);
        signature[3] = b'x';
        for bytes in [
            header(0x31, 0x11, &[0; 12]),
            header(0x22, 0x11, &[0; 12]),
            header(0x21, 0x12, &[0; 12]),
            header(0x21, 0x11, &[0; 11]),
            header(0x21, 0x21, &[0; 35]),
            header(0x21, 0x11, &[0; BODY_BYTES_MAX + 1]),
            signature,
            b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 3306\r\n".to_vec(),
        ] {
            assert_eq!(read_all(&bytes).await, Err(Reason::BadHandshake), "{bytes:?}");
        }
        let whole = header(0x21, 0x11, &[0; 12]);
        for cut in 0..whole.len() {
            assert_eq!(read_all(&whole[..cut]).await, Err(Reason::Disconnected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let (mut near, _far) = tokio::io::duplex(64);
        let error = read(&mut near, Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.reason, Reason::Timeout);
    }
}
