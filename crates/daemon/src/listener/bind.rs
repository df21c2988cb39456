//! Opening the socket: errors name the address and the next step, a dead process's socket file goes.

use std::fs::{self, Permissions};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use thiserror::Error;

use super::Endpoint;

/// Connections that the kernel keeps for us between two accepts.
const BACKLOG: i32 = 1024;

/// Permission bits of a Unix socket: who on this machine may connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketMode(pub u32);

impl SocketMode {
    /// Owner and group: between processes that trust each other.
    pub const GROUP: SocketMode = SocketMode(0o660);
    /// Everybody, as with a MySQL server's socket: who may log in is decided by password.
    pub const EVERYBODY: SocketMode = SocketMode(0o777);
}

/// Listening did not work.
#[derive(Debug, Error)]
#[error("cannot listen on {endpoint}: {source}; {next_step}")]
pub struct BindError {
    /// Where.
    pub endpoint: Endpoint,
    /// What the system said.
    pub source: io::Error,
    /// What to do about it.
    pub next_step: &'static str,
}

/// Removes our socket file when we are done with it, but not one that another process has put there.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path)
            .is_ok_and(|facts| (facts.dev(), facts.ino()) == (self.device, self.inode))
        {
            // nobody is left to tell
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(super) fn tcp(address: SocketAddr) -> Result<std::net::TcpListener, BindError> {
    let open = || -> io::Result<Socket> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        // a restart must not wait for the connections of the last run to be forgotten
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    let failed = |source: io::Error| {
        let next_step = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another process has this port: stop it (`ss -ltnp` shows it) or choose another port"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need the capability CAP_NET_BIND_SERVICE: choose another port"
            }
            io::ErrorKind::AddrNotAvailable => {
                "this machine does not have that address: `ip address` shows those it has"
            }
            _ => "check the address in the config file",
        };
        BindError {
            endpoint: Endpoint::Tcp(address),
            source,
            next_step,
        }
    };
    open().map(Into::into).map_err(failed)
}

pub(super) fn unix(
    path: &Path,
    mode: SocketMode,
) -> Result<(std::os::unix::net::UnixListener, SocketFile), BindError> {
    let open = || {
        remove_stale(path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(path)?)?;
        // before listen: until then nobody can connect, whatever the umask said
        fs::set_permissions(path, Permissions::from_mode(mode.0))?;
        socket.listen(BACKLOG)?;
        let facts = fs::symlink_metadata(path)?;
        let file = SocketFile {
            path: path.to_owned(),
            device: facts.dev(),
            inode: facts.ino(),
        };
        Ok((socket.into(), file))
    };
    open().map_err(|source: io::Error| {
        let next_step = match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another process answers on this socket: stop it or choose another path"
            }
            io::ErrorKind::AlreadyExists => "remove that file or choose another path",
            io::ErrorKind::NotFound => "create the folder first",
            io::ErrorKind::PermissionDenied => "the folder must be writable for this process",
            io::ErrorKind::InvalidInput => "a socket's path has at most 107 bytes: choose a shorter one",
            _ => "check the path in the config file",
        };
        BindError {
            endpoint: Endpoint::Unix(path.to_owned()),
            source,
            next_step,
        }
    })
}

/// Removes a socket file on which nobody answers; anything else that is in the way is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    let facts = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        facts => facts?,
    };
    if !facts.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is no socket is there",
        ));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        // its backlog is full: somebody is there
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_the_way_out() {
        let first = tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = first.local_addr().unwrap();
        let message = tcp(address).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("cannot listen on {address}: ")),
            "{message}"
        );
        assert!(message.contains("another process has this port"), "{message}");
    }

    #[test]
    fn a_dead_socket_file_goes_and_ours_goes_with_us() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (listener, file) = unix(&path, SocketMode::GROUP).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        drop((listener, file));
        assert!(!path.exists());
    }

    #[test]
    fn a_live_socket_and_a_plain_file_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (live, plain) = (folder.path().join("live"), folder.path().join("plain"));
        let _held = unix(&live, SocketMode::EVERYBODY).unwrap();
        assert_eq!(
            unix(&live, SocketMode::GROUP).unwrap_err().source.kind(),
            io::ErrorKind::AddrInUse
        );
        assert!(UnixStream::connect(&live).is_ok());
        fs::write(&plain, "letters").unwrap();
        assert!(
            unix(&plain, SocketMode::GROUP)
                .unwrap_err()
                .to_string()
                .contains("remove that file")
        );
        assert_eq!(fs::read(&plain).unwrap(), b"letters");
    }

    #[test]
    fn a_file_that_replaced_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let held = unix(&path, SocketMode::GROUP).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "somebody else's").unwrap();
        drop(held);
        assert!(path.exists());
    }

    #[test]
    fn a_missing_folder_and_a_long_path_are_explained() {
        let missing = unix(Path::new("/nowhere/s"), SocketMode::GROUP).unwrap_err();
        assert_eq!(missing.next_step, "create the folder first");
        let long = unix(Path::new(&format!("/tmp/{}", "s".repeat(200))), SocketMode::GROUP).unwrap_err();
        assert!(long.to_string().contains("at most 107 bytes"), "{long}");
    }
}
