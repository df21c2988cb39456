//! Packets of the connection phase as real servers and clients sent them, header included.
//!
//! Captured between the `mysql` clients of MySQL 9.7.4 and MariaDB 10.11 (and its library) and the servers of
//! the same versions; the password is `secret`.

use wire::auth::{caching_sha2, native_password};
use wire::frame::Header;
use wire::handshake::{
    AuthMoreData, AuthSwitchRequest, ChangeUser, Greeting, HandshakeError, HandshakeResponse, Nonce, Packet,
    SslRequest,
};
use wire::reply::{ErrPacket, OkPacket};
use wire::{Capabilities, StatusFlags};

/// The bytes of one whole packet.
struct Captured(Vec<u8>);

impl Captured {
    fn new(digits: &str) -> Self {
        let bytes = hex::decode(digits).expect("hexadecimal digits");
        let header = Header::peek(&bytes).expect("a header");
        assert_eq!(header.packet_bytes(), bytes.len(), "one whole packet");
        Self(bytes)
    }

    fn packet(&self) -> Packet<'_> {
        Packet {
            sequence: self.0[3],
            payload: &self.0[4..],
        }
    }

    fn payload(&self) -> &[u8] {
        self.packet().payload
    }
}

/// What is written again must be the same bytes.
fn assert_same(captured: &Captured, write: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = Vec::new();
    write(&mut bytes);
    assert_eq!(hex::encode(bytes), hex::encode(captured.payload()));
}

const GREETING_9_7: &str = "4b0000000a392e372e342d32002c0000007d79536c5f303a2700ffffff0200ffdf15000000000000000000005329395b5c64415401\
    0a2c590063616368696e675f736861325f70617373776f726400";

#[test]
fn greeting_as_sent_by_mysql_9_7() {
    let captured = Captured::new(GREETING_9_7);
    let greeting = Greeting::decode(captured.payload()).unwrap();
    assert_eq!(
        (greeting.version.as_slice(), greeting.connection_id),
        (&b"9.7.4-2"[..], 44)
    );
    // MySQL's nonces hold control characters
    assert_eq!(
        greeting.nonce,
        Nonce(
            hex::decode("7d79536c5f303a275329395b5c644154010a2c59")
                .unwrap()
                .try_into()
                .unwrap()
        )
    );
    assert_eq!(greeting.capabilities, Capabilities(0xdfff_ffff));
    assert_eq!(
        (greeting.collation, greeting.status),
        (255, StatusFlags::AUTOCOMMIT)
    );
    assert_eq!(greeting.auth_plugin, b"caching_sha2_password");
    assert!(!greeting.is_mariadb());
    assert_same(&captured, |out| greeting.encode(out));
}

#[test]
fn response_as_sent_by_the_client_of_mysql_9_7() {
    let captured = Captured::new(
        "d10000018da2bf1900000001ff00000000000000000000000000000000000000000000006170700020a2a6066bcc76e5db6c31f529\
         2841cac390794d09d31d09bf29ef0733e6a256646170700063616368696e675f736861325f70617373776f72640071045f70696404\
         39353830095f706c6174666f726d067838365f3634035f6f73054c696e75780c5f636c69656e745f6e616d65086c69626d7973716c\
         076f735f7573657204726f6f740f5f636c69656e745f76657273696f6e05392e372e340c70726f6772616d5f6e616d65056d797371\
         6c",
    );
    let response = HandshakeResponse::decode(captured.payload()).unwrap();
    assert_eq!(
        (response.user.as_slice(), response.database.as_deref()),
        (&b"app"[..], Some(&b"app"[..]))
    );
    assert_eq!(
        response.auth_plugin.as_deref(),
        Some(&b"caching_sha2_password"[..])
    );
    assert_eq!((response.collation, response.packet_bytes_max), (255, 1 << 24));
    assert_eq!(response.attributes.len(), 7);
    assert_eq!(
        response.attributes[6],
        (b"program_name".to_vec(), b"mysql".to_vec())
    );
    let expected = Capabilities::QUERY_ATTRIBUTES | Capabilities::DEPRECATE_EOF | Capabilities::SESSION_TRACK;
    assert!(response.capabilities.has(expected));
    assert_same(&captured, |out| response.encode(out));

    // the proof in it is that of the password for the greeting above
    let nonce = Greeting::decode(Captured::new(GREETING_9_7).payload())
        .unwrap()
        .nonce;
    assert_eq!(*response.auth_response, caching_sha2::scramble(nonce, b"secret"));
    assert!(caching_sha2::FastVerifier::make(b"secret").verify(nonce, &response.auth_response));
}

#[test]
fn response_without_a_password_as_sent_by_the_client_of_mysql_9_7() {
    let captured = Captured::new(
        "af00000185a2bf1900000001ff00000000000000000000000000000000000000000000006e6f707700010063616368696e675f7368\
         61325f70617373776f72640071045f7069640439363538095f706c6174666f726d067838365f3634035f6f73054c696e75780c5f63\
         6c69656e745f6e616d65086c69626d7973716c076f735f7573657204726f6f740f5f636c69656e745f76657273696f6e05392e372e\
         340c70726f6772616d5f6e616d65056d7973716c",
    );
    let response = HandshakeResponse::decode(captured.payload());
    assert_eq!(response.unwrap().auth_response.as_slice(), [0]);
}

#[test]
fn ssl_request_as_sent_by_the_client_of_mysql_9_7() {
    let captured = Captured::new("2000000185aabf1900000001ff0000000000000000000000000000000000000000000000");
    let request = SslRequest::decode(captured.payload()).unwrap();
    assert!(
        request
            .capabilities
            .has(Capabilities::SSL | Capabilities::LONG_PASSWORD)
    );
    assert_same(&captured, |out| request.encode(out));
}

#[test]
fn fast_success_and_ok_as_sent_by_mysql_9_7() {
    let more = Captured::new("020000020103");
    assert_eq!(
        AuthMoreData::decode(more.payload()),
        Ok(AuthMoreData::FastSuccess)
    );
    let ok = Captured::new("0f000003000000024000000006010403617070");
    assert_eq!(ok.packet().sequence, 3);
    let ok = OkPacket::decode(ok.payload(), Capabilities::SESSION_TRACK).unwrap();
    // the schema of the login
    assert_eq!(ok.state, b"\x01\x04\x03app");
    assert_eq!(
        ok.status,
        StatusFlags::AUTOCOMMIT | StatusFlags::SESSION_STATE_CHANGED
    );
}

#[test]
fn full_authentication_as_sent_by_mysql_9_7() {
    let more = Captured::new("020000020104");
    assert_eq!(
        AuthMoreData::decode(more.payload()),
        Ok(AuthMoreData::FullAuthentication)
    );
    let key = Captured::new(
        "c4010004012d2d2d2d2d424547494e205055424c4943204b45592d2d2d2d2d0a4d494942496a414e42676b71686b69473977304241\
         51454641414f43415138414d49494243674b4341514541746c78304369316e3154596a31524835665a78360a38786e4f653937454f\
         356c4b413768396b7170596a466356424b6b754d6a5846364c34516b5a6f4f744272674d43524e61767742534e725a5770795a6c65\
         4e430a4d6e625736794a65587a733744433833574350743247574677424b7351386343652b69733342664574452f425453355a667a\
         497438745a532f614e66306f4d360a68506a53436b767879424e665145374c4c4846516768337249494d336d77763261744749715a\
         53786457776e78516e6b2f37526f535171365032724f61754d430a744450552f4843716b675777546862624d2b5949304d77584b49\
         38774643515138554a6b556d5a413933463253684e6a5345444a67764a324e5871417054614f0a665a676964706f43493850696562\
         3172717671443973394a5533474f6e413677316d694e7a37744771374130456c35375155733272303647345233614f52772f0a4277\
         4944415141420a2d2d2d2d2d454e44205055424c4943204b45592d2d2d2d2d0a",
    );
    let AuthMoreData::PublicKey(pem) = AuthMoreData::decode(key.payload()).unwrap() else {
        panic!("no public key")
    };
    let block = wire::auth::encrypt_password(pem, Nonce([b'n'; 20]), b"secret").unwrap();
    assert_eq!(block.len(), 256);
    assert_same(&key, |out| AuthMoreData::PublicKey(pem).encode(out));
}

#[test]
fn switch_to_sha256_password_as_sent_by_mysql_9_7() {
    let captured =
        Captured::new("26000002fe7368613235365f70617373776f726400453d0f403a2832163f277328263218362e5f782e00");
    let request = AuthSwitchRequest::decode(captured.payload()).unwrap();
    assert_eq!(request.plugin, b"sha256_password");
    assert_same(&captured, |out| request.encode(out));
}

#[test]
fn denied_schema_as_sent_by_mysql_9_7() {
    let captured = Captured::new(
        "3b000006ff14042334323030304163636573732064656e69656420666f7220757365722027617070274027252720746f2064617461\
         62617365202761707027",
    );
    let err = ErrPacket::decode(captured.payload()).unwrap();
    assert_eq!((err.code, &err.sql_state), (1044, b"42000"));
    assert_eq!(err.message, b"Access denied for user 'app'@'%' to database 'app'");
}

#[test]
fn switch_inside_a_change_of_user_as_sent_by_mariadb_10_11() {
    let greeting = Captured::new(
        "640000000a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531001c00000031507e4e485f274000feff\
         080200ff81150000000000001d0000004d444d36657b5c3a4c4f2875006d7973716c5f6e61746976655f70617373776f726400",
    );
    let switch = Captured::new(
        "2c000001fe6d7973716c5f6e61746976655f70617373776f72640031507e4e485f27404d444d36657b5c3a4c4f287500",
    );
    let nonce = Greeting::decode(greeting.payload()).unwrap().nonce;
    let request = AuthSwitchRequest::decode(switch.payload()).unwrap();
    assert_eq!(request.nonce(), Ok(nonce), "the greeting's");
    assert_same(&switch, |out| {
        AuthSwitchRequest::new(b"mysql_native_password", nonce).encode(out);
    });
    let answer = Captured::new("140000028af3bd178aabf140937fb46026f0febe94d1febd");
    assert!(native_password::Verifier::make(b"secret").verify(nonce, answer.payload()));
}

#[test]
fn change_of_user_as_sent_by_the_client_library_of_mariadb_10_11() {
    let captured = Captured::new(
        "a4000000116170703200148af3bd178aabf140937fb46026f0febe94d1febd617070002d006d7973716c5f6e61746976655f706173\
         73776f7264006c035f6f73054c696e75780c5f636c69656e745f6e616d650a6c69626d617269616462045f7069640532383439340f\
         5f636c69656e745f76657273696f6e06332e332e3230095f706c6174666f726d067838365f36340c5f7365727665725f686f737409\
         3132372e302e302e31",
    );
    let capabilities = Capabilities(0x1d_00be_a284);
    let change = ChangeUser::decode(captured.payload(), capabilities).unwrap();
    assert_eq!(
        (change.user.as_slice(), change.database.as_deref()),
        (&b"app2"[..], Some(&b"app"[..]))
    );
    assert_eq!(change.collation, Some(45));
    assert_eq!(change.auth_plugin.as_deref(), Some(&b"mysql_native_password"[..]));
    assert_eq!(change.attributes.len(), 6);
    assert_same(&captured, |out| change.encode(capabilities, out));
}

#[test]
fn a_response_of_the_old_protocol_as_both_servers_refuse_it() {
    let captured = Captured::new("0a00000105240000000061707000");
    assert_eq!(
        HandshakeResponse::decode(captured.payload()),
        Err(HandshakeError::OldProtocol)
    );
}
