//! A login, and a change of user: both passwords' plugins, the switch between them, and what the server says last.

use anyhow::{Context, bail, ensure};
use wire::Capabilities;
use wire::auth::{caching_sha2, encrypt_password, native_password};
use wire::handshake::{Greeting, Nonce};

use super::packets::{Framed, Wire, frame, put_lenenc_bytes};

const NATIVE: &[u8] = b"mysql_native_password";
const SHA2: &[u8] = b"caching_sha2_password";
/// What MySQL asks of a user that is not there now and then.
const SHA256: &[u8] = b"sha256_password";
/// Asks for the key that the password is to be encrypted with.
const KEY_REQUEST: u8 = 1;
/// What clients announce; servers do not care.
const PACKET_BYTES_MAX: u32 = 1 << 30;

/// Who logs in.
#[derive(Debug, Clone)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) password: String,
}

/// How a login went.
pub(crate) struct LoggedIn {
    pub(crate) wire: Wire,
    pub(crate) greeting: Greeting,
    pub(crate) capabilities: Capabilities,
    /// OK or ERR; `None` when the server closed the connection.
    pub(crate) verdict: Option<Framed>,
}

pub(crate) async fn login(
    port: u16,
    who: &Credentials,
    wanted: Capabilities,
    schema: Option<&str>,
    collation: u8,
) -> anyhow::Result<LoggedIn> {
    let mut wire = Wire::connect(port).await?;
    let first = wire.read().await?.context("no greeting")?;
    ensure!(
        first.payload.first() == Some(&10),
        "no greeting but {:?}",
        String::from_utf8_lossy(&first.payload)
    );
    let greeting = Greeting::decode(&first.payload)?;
    let mut capabilities = wanted & greeting.capabilities;
    // what says "MySQL" of the client is not for the server to offer
    if wanted.has(Capabilities::LONG_PASSWORD) {
        capabilities |= Capabilities::LONG_PASSWORD;
    }
    if schema.is_none() {
        capabilities = capabilities.without(Capabilities::CONNECT_WITH_DB);
    }
    let mut response = Vec::new();
    response.extend(capabilities.base().to_le_bytes());
    response.extend(PACKET_BYTES_MAX.to_le_bytes());
    response.push(collation);
    response.extend([0; 19]);
    let mariadb = !capabilities.has(Capabilities::LONG_PASSWORD);
    response.extend(if mariadb { capabilities.extended() } else { 0 }.to_le_bytes());
    put_nul(who.user.as_bytes(), &mut response);
    // a client without plugins knows only one
    let plugin = if capabilities.has(Capabilities::PLUGIN_AUTH) && greeting.auth_plugin == SHA2 {
        SHA2
    } else {
        NATIVE
    };
    put_proof(&proof(plugin, greeting.nonce, &who.password)?, &mut response)?;
    if let Some(schema) = schema.filter(|_| capabilities.has(Capabilities::CONNECT_WITH_DB)) {
        put_nul(schema.as_bytes(), &mut response);
    }
    if capabilities.has(Capabilities::PLUGIN_AUTH) {
        put_nul(plugin, &mut response);
    }
    if capabilities.has(Capabilities::CONNECT_ATTRS) {
        put_attributes(&mut response);
    }
    let mut bytes = Vec::new();
    frame(&response, 1, &mut bytes);
    wire.write(&bytes).await?;
    let verdict = prove(&mut wire, greeting.nonce, &who.password).await?;
    Ok(LoggedIn {
        wire,
        greeting,
        capabilities,
        verdict,
    })
}

/// COM_CHANGE_USER's payload. The proof in it is for the greeting's nonce.
pub(crate) fn change_user(
    who: &Credentials,
    greeting: &Greeting,
    capabilities: Capabilities,
    schema: &str,
    collation: u16,
) -> anyhow::Result<Vec<u8>> {
    let mut payload = vec![0x11];
    put_nul(who.user.as_bytes(), &mut payload);
    put_proof(&proof(NATIVE, greeting.nonce, &who.password)?, &mut payload)?;
    put_nul(schema.as_bytes(), &mut payload);
    payload.extend(collation.to_le_bytes());
    if capabilities.has(Capabilities::PLUGIN_AUTH) {
        put_nul(NATIVE, &mut payload);
    }
    if capabilities.has(Capabilities::CONNECT_ATTRS) {
        put_attributes(&mut payload);
    }
    Ok(payload)
}

/// Goes on with the exchange until the server says OK or ERR.
pub(crate) async fn prove(
    wire: &mut Wire,
    mut nonce: Nonce,
    password: &str,
) -> anyhow::Result<Option<Framed>> {
    loop {
        let Some(answer) = wire.read().await? else {
            return Ok(None);
        };
        let reply = match answer.payload.split_first() {
            Some((0x00 | 0xff, _)) => return Ok(Some(answer)),
            Some((0xfe, rest)) => {
                let end = rest.iter().position(|byte| *byte == 0).context("no plugin")?;
                let plugin = rest.get(..end).unwrap_or_default();
                let bytes = rest.get(end + 1..end + 1 + Nonce::BYTES).context("no nonce")?;
                nonce = Nonce(bytes.try_into()?);
                proof(plugin, nonce, password)?
            }
            Some((0x01, [0x03])) => continue,
            // the password goes encrypted, for the connection is not
            Some((0x01, [0x04])) => vec![0x02],
            Some((0x01, key)) => encrypt_password(key, nonce, password.as_bytes())
                .map_err(|error| anyhow::anyhow!("the server's key: {error:?}"))?,
            _ => bail!("{:?} in a login", answer.payload),
        };
        let mut bytes = Vec::new();
        frame(&reply, answer.sequence.wrapping_add(1), &mut bytes);
        wire.write(&bytes).await?;
    }
}

fn proof(plugin: &[u8], nonce: Nonce, password: &str) -> anyhow::Result<Vec<u8>> {
    Ok(match plugin {
        NATIVE => native_password::scramble(nonce, password.as_bytes()),
        SHA2 if password.is_empty() => vec![0],
        SHA256 => vec![KEY_REQUEST],
        SHA2 => caching_sha2::scramble(nonce, password.as_bytes()),
        other => bail!("the plugin {}", String::from_utf8_lossy(other)),
    })
}

/// Short enough for either of the two encodings of its length.
fn put_proof(proof: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
    out.push(u8::try_from(proof.len())?);
    out.extend_from_slice(proof);
    Ok(())
}

fn put_nul(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(bytes);
    out.push(0);
}

fn put_attributes(out: &mut Vec<u8>) {
    let mut attributes = Vec::new();
    for text in ["_client_name", "conformance", "_os", "any"] {
        put_lenenc_bytes(text.as_bytes(), &mut attributes);
    }
    put_lenenc_bytes(&attributes, out);
}
