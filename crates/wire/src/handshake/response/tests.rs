use super::*;
use crate::error::DecodeError;

#[test]
fn response_as_sent_by_the_client_of_mariadb_10_11() {
    let payload = hex::decode(
        "8ca2bf000000100021000000000000000000000000000000000000001d0000006170700014442f75edbf996f67edfc56b72776c3831a\
         568961617070006d7973716c5f6e61746976655f70617373776f7264007f035f6f73054c696e75780c5f636c69656e745f6e616d65\
         0a6c69626d617269616462045f7069640531383238350f5f636c69656e745f76657273696f6e06332e332e3230095f706c6174666f\
         726d067838365f36340c70726f6772616d5f6e616d65056d7973716c0c5f7365727665725f686f7374093132372e302e302e31",
    )
    .unwrap();
    let response = HandshakeResponse::decode(&payload).unwrap();
    assert_eq!(response.user, b"app");
    assert_eq!(response.auth_response.len(), 20);
    assert_eq!(response.database.as_deref(), Some(&b"app"[..]));
    assert_eq!(
        response.auth_plugin.as_deref(),
        Some(&b"mysql_native_password"[..])
    );
    assert_eq!(response.attributes.len(), 7);
    assert_eq!(
        response.attributes[1],
        (b"_client_name".to_vec(), b"libmariadb".to_vec())
    );
    assert!(response.capabilities.has(Capabilities::MARIADB_STMT_BULK));
    let mut again = Vec::new();
    response.encode(&mut again);
    assert_eq!(hex::encode(again), hex::encode(payload));
}

fn response(flags: Capabilities) -> HandshakeResponse {
    HandshakeResponse {
        capabilities: flags | Capabilities::PROTOCOL_41 | Capabilities::LONG_PASSWORD,
        packet_bytes_max: 1 << 24,
        collation: 255,
        user: b"app".to_vec(),
        auth_response: Zeroizing::new(vec![7; 20]),
        database: None,
        auth_plugin: None,
        attributes: Vec::new(),
        zstd_level: None,
    }
}

#[test]
fn the_proof_in_its_three_encodings() {
    for flags in [
        Capabilities::PLUGIN_AUTH_LENENC_DATA,
        Capabilities::SECURE_CONNECTION,
        Capabilities::NONE,
    ] {
        let sent = response(flags);
        let mut bytes = Vec::new();
        sent.encode(&mut bytes);
        assert_eq!(HandshakeResponse::decode(&bytes), Ok(sent));
    }
}

#[test]
fn a_client_without_plugins_names_none() {
    let mut sent = response(Capabilities::SECURE_CONNECTION | Capabilities::CONNECT_WITH_DB);
    sent.database = Some(b"shop".to_vec());
    let mut bytes = Vec::new();
    sent.encode(&mut bytes);
    let received = HandshakeResponse::decode(&bytes).unwrap();
    assert_eq!((received.auth_plugin.clone(), received), (None, sent));
}

#[test]
fn a_client_of_the_old_protocol_is_named_so() {
    assert_eq!(
        HandshakeResponse::decode(b"\x05\x24\0\0\0app\0"),
        Err(HandshakeError::OldProtocol)
    );
}

#[test]
fn a_name_beyond_its_limit_is_refused() {
    let mut sent = response(Capabilities::SECURE_CONNECTION);
    sent.user = vec![b'u'; USER_NAME_BYTES_MAX + 1];
    let mut bytes = Vec::new();
    sent.encode(&mut bytes);
    let error = DecodeError::TooLong {
        field: "user name",
        max: USER_NAME_BYTES_MAX,
    };
    assert_eq!(HandshakeResponse::decode(&bytes), Err(error.into()));
}

#[test]
fn the_proof_is_not_printed() {
    let mut sent = response(Capabilities::SECURE_CONNECTION);
    sent.auth_response = Zeroizing::new(b"pass phrase".to_vec());
    assert!(!format!("{sent:?}").contains("pass phrase"));
    assert!(format!("{sent:?}").contains("[redacted]"));
}
