//! One case on one side: every step taken, every packet recorded.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::timeout;
use wire::Capabilities;
use wire::handshake::Greeting;

use super::conversation::{Action, Case, Request, Schema, Shape, Step};
use super::login::{self, Credentials};
use super::packets::{Fields, Framed, Wire, frame};
use super::personality::Personality;
use super::reply::{self, Kind, Packet, Reply};
use super::request::{Around, Statement};
use super::suite::Lane;
use super::template::{self, Known};

/// Longer than any step takes on a busy machine; only a hang waits this long.
const STEP_WAIT_MAX: Duration = Duration::from_secs(30);

/// Where a conversation is had.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    /// A port on loopback.
    pub(crate) port: u16,
    /// Whether that is the gatekeeper's.
    pub(crate) through: bool,
    /// The users' passwords on this side.
    pub(crate) credentials: Vec<Credentials>,
}

/// What was said to one client.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// One reply per step, as far as the conversation came.
    pub(crate) replies: Vec<Reply>,
    /// What the first connection agreed on.
    pub(crate) capabilities: Capabilities,
    /// The numbers of the connections.
    pub(crate) ids: Vec<u32>,
    /// Where the statements ran of which that was asked, with the step.
    pub(crate) routes: Vec<(usize, String)>,
}

const USER: &str = "dba";

/// Has the whole conversation.
pub(crate) async fn play(
    case: &Case,
    personality: Personality,
    side: &Side,
    schema: &str,
    lane: &mut Lane,
) -> anyhow::Result<Record> {
    let mut stage = Stage {
        case,
        personality,
        side,
        schema,
        connections: Vec::new(),
        record: Record::default(),
    };
    for (index, step) in case.steps.iter().enumerate() {
        let skipped = step.engine.is_some_and(|engine| engine != lane.engine());
        // a read may not see what this session wrote a moment ago until that is promised: so it is waited for
        if side.through && !skipped && case.start.schema == Schema::Own {
            lane.settle().await?;
        }
        let reply = if skipped {
            Reply::default()
        } else {
            match timeout(STEP_WAIT_MAX, stage.step(step, lane)).await {
                Ok(Ok(reply)) => reply,
                Ok(Err(error)) => Reply {
                    trouble: Some(format!("{error:#}")),
                    ..Reply::default()
                },
                Err(_) => Reply {
                    trouble: Some(format!("no reply within {STEP_WAIT_MAX:?}")),
                    ..Reply::default()
                },
            }
        };
        let over = reply.trouble.is_some();
        let closed = reply.closed;
        stage.record.replies.push(reply);
        if over {
            break;
        }
        if step.asks_route && side.through && !skipped && !closed {
            stage.ask_route(index, step.connection).await?;
        }
    }
    for mut connection in stage.connections.into_iter().flatten() {
        // an open session would keep locks that the next conversation waits for; one that hangs has been told of
        let _ = timeout(STEP_WAIT_MAX, connection.quit()).await;
    }
    Ok(stage.record)
}

struct Stage<'a> {
    case: &'a Case,
    personality: Personality,
    side: &'a Side,
    schema: &'a str,
    connections: Vec<Option<Connection>>,
    record: Record,
}

struct Connection {
    wire: Wire,
    greeting: Greeting,
    capabilities: Capabilities,
    statements: HashMap<String, Statement>,
    /// Commands written or about to be, whose replies nobody has read.
    outstanding: VecDeque<Outstanding>,
    unsent: Vec<u8>,
    attributes: Vec<(String, String)>,
    file: Vec<u8>,
    dead: bool,
}

struct Outstanding {
    shape: Shape,
    /// A statement that is being prepared.
    prepares: Option<String>,
    capabilities: Capabilities,
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step, lane: &mut Lane) -> anyhow::Result<Reply> {
        match &step.action {
            Action::Sync => {
                lane.settle().await?;
                return Ok(Reply::default());
            }
            Action::WaitFor(text) => {
                let text = self.bytes(text, step.connection)?;
                for connection in self.connections.iter_mut().flatten() {
                    connection.flush().await?;
                }
                lane.wait_for(&String::from_utf8_lossy(&text)).await?;
                return Ok(Reply::default());
            }
            Action::Login { greeting } => return self.login(step.connection, *greeting).await,
            _ => {}
        }
        if self.connections.get(step.connection).is_none_or(Option::is_none) {
            let reply = self.login(step.connection, false).await?;
            ensure!(self.is_logged_in(step.connection), "no login: {reply:?}");
        }
        match &step.action {
            Action::Send(request) => {
                self.send(step.connection, request)?;
                Ok(Reply::default())
            }
            Action::Ask(Request::ChangeUser { .. }) => self.change_user(step).await,
            Action::Ask(request) => {
                self.send(step.connection, request)?;
                let connection = self.connection(step.connection)?;
                connection.flush().await?;
                connection.read().await
            }
            Action::Read => {
                let connection = self.connection(step.connection)?;
                connection.flush().await?;
                connection.read().await
            }
            Action::Bytes(text) => {
                let bytes = self.bytes(text, step.connection)?;
                let connection = self.connection(step.connection)?;
                connection.flush().await?;
                connection.wire.write(&bytes).await?;
                Ok(Reply::default())
            }
            Action::ReadToEnd => self.connection(step.connection)?.read_to_end().await,
            Action::File(text) => {
                let file = self.bytes(text, step.connection)?;
                self.connection(step.connection)?.file = file;
                Ok(Reply::default())
            }
            Action::Attribute(name, value) => {
                let attribute = (name.clone(), value.clone());
                self.connection(step.connection)?.attributes.push(attribute);
                Ok(Reply::default())
            }
            Action::Login { .. } | Action::Sync | Action::WaitFor(_) => Ok(Reply::default()),
        }
    }

    fn is_logged_in(&self, connection: usize) -> bool {
        matches!(self.connections.get(connection), Some(Some(_)))
    }

    fn connection(&mut self, index: usize) -> anyhow::Result<&mut Connection> {
        let connection = self.connections.get_mut(index).and_then(Option::as_mut);
        connection.context("the connection was closed or never opened")
    }

    fn credentials(&self, user: &str, password: Option<&str>) -> Credentials {
        let known = self.side.credentials.iter().find(|known| known.user == user);
        Credentials {
            user: user.to_owned(),
            password: match (password, known) {
                (Some(password), _) => password.to_owned(),
                (None, Some(known)) => known.password.clone(),
                (None, None) => "nobody's".to_owned(),
            },
        }
    }

    async fn login(&mut self, index: usize, with_greeting: bool) -> anyhow::Result<Reply> {
        let start = &self.case.start;
        let user = start.user.as_deref().unwrap_or(USER);
        let who = self.credentials(user, start.password.as_deref());
        let schema = match &start.schema {
            Schema::None => None,
            Schema::Own => Some(self.schema),
            Schema::Named(name) => Some(name.as_str()),
        };
        let wanted = self.personality.capabilities();
        let login = login::login(self.side.port, &who, wanted, schema, start.collation).await?;
        let mut reply = Reply {
            closed: login.verdict.is_none(),
            ..Reply::default()
        };
        if with_greeting {
            reply.packets.push(greeting(&login.greeting));
        }
        let mut well = false;
        if let Some(framed) = login.verdict {
            well = framed.payload.first() == Some(&0);
            // what a login's OK says belongs to the cases about logins
            if with_greeting || !well {
                reply.packets.push(last_of_login(framed));
            }
        }
        if index == 0 {
            self.record.capabilities = login.capabilities;
        }
        if self.connections.len() <= index {
            self.connections.resize_with(index + 1, || None);
            self.record.ids.resize(index + 1, 0);
        }
        if let Some(id) = self.record.ids.get_mut(index) {
            *id = login.greeting.connection_id;
        }
        if let (true, Some(place)) = (well, self.connections.get_mut(index)) {
            *place = Some(Connection {
                wire: login.wire,
                greeting: login.greeting,
                capabilities: login.capabilities,
                statements: HashMap::new(),
                outstanding: VecDeque::new(),
                unsent: Vec::new(),
                attributes: Vec::new(),
                file: Vec::new(),
                dead: false,
            });
        }
        Ok(reply)
    }

    fn bytes(&self, template: &str, connection: usize) -> anyhow::Result<Vec<u8>> {
        template::render(template, self, connection)
    }

    fn send(&mut self, index: usize, request: &Request) -> anyhow::Result<()> {
        let bytes = |template: &str| self.bytes(template, index);
        let connection = self.connections.get(index).and_then(Option::as_ref);
        let connection = connection.context("the connection was closed or never opened")?;
        let around = Around {
            capabilities: connection.capabilities,
            statements: &connection.statements,
            attributes: &connection.attributes,
            bytes: &bytes,
        };
        let (payload, shape) = around.payload(request)?;
        let connection = self.connection(index)?;
        if matches!(request, Request::Query(_) | Request::Execute { .. }) {
            connection.attributes.clear();
        }
        frame(&payload, 0, &mut connection.unsent);
        let prepares = match request {
            Request::Prepare { name, .. } => Some(name.clone()),
            _ => None,
        };
        connection.outstanding.push_back(Outstanding {
            shape,
            prepares,
            capabilities: connection.capabilities,
        });
        Ok(())
    }

    async fn change_user(&mut self, step: &Step) -> anyhow::Result<Reply> {
        let Action::Ask(Request::ChangeUser {
            user,
            password,
            schema,
            collation,
        }) = &step.action
        else {
            return Ok(Reply::default());
        };
        let who = self.credentials(user, password.as_deref());
        let schema = String::from_utf8(self.bytes(schema, step.connection)?)?;
        let connection = self.connection(step.connection)?;
        let payload = login::change_user(
            &who,
            &connection.greeting,
            connection.capabilities,
            &schema,
            *collation,
        )?;
        let mut bytes = Vec::new();
        frame(&payload, 0, &mut bytes);
        connection.wire.write(&bytes).await?;
        let nonce = connection.greeting.nonce;
        let verdict = login::prove(&mut connection.wire, nonce, &who.password).await?;
        Ok(Reply {
            closed: verdict.is_none(),
            packets: verdict.map(last_of_login).into_iter().collect(),
            trouble: None,
        })
    }

    /// Asks the proxy where the last statement ran.
    async fn ask_route(&mut self, step: usize, index: usize) -> anyhow::Result<()> {
        self.send(index, &Request::Query("PROXY SHOW ROUTE".to_owned()))?;
        let connection = self.connection(index)?;
        connection.flush().await?;
        let reply = connection.read().await?;
        let mut rows = reply.packets.iter().filter(|packet| packet.kind == Kind::TextRow);
        let row = rows.next_back().context("no route")?;
        let row = String::from_utf8_lossy(&row.framed.payload).into_owned();
        self.record.routes.push((step, row));
        Ok(())
    }
}

impl Known for Stage<'_> {
    fn schema(&self) -> &str {
        self.schema
    }

    fn connection_id(&self, connection: usize) -> Option<u32> {
        self.record.ids.get(connection).copied()
    }

    fn statement(&self, name: &str) -> Option<u32> {
        let mut all = self.connections.iter().flatten();
        all.find_map(|connection| connection.statements.get(name))
            .map(|statement| statement.number)
    }
}

impl Connection {
    async fn flush(&mut self) -> anyhow::Result<()> {
        let bytes = std::mem::take(&mut self.unsent);
        if bytes.is_empty() {
            return Ok(());
        }
        self.wire.write(&bytes).await
    }

    async fn read(&mut self) -> anyhow::Result<Reply> {
        let asked = self.outstanding.pop_front().context("nothing was asked")?;
        if asked.shape == Shape::Nothing {
            return Ok(Reply::default());
        }
        if self.dead {
            return Ok(Reply {
                closed: true,
                ..Reply::default()
            });
        }
        let mut reply = reply::read(&mut self.wire, asked.shape, asked.capabilities, &self.file).await?;
        self.dead |= reply.closed;
        if self.outstanding.is_empty() && self.wire.left_over() > 0 {
            reply.trouble = Some(format!("{} bytes after the reply", self.wire.left_over()));
        }
        if let (Some(name), Some(first)) = (asked.prepares, reply.packets.first())
            && first.kind == Kind::Prepared
        {
            let mut fields = Fields(first.framed.payload.get(1..).unwrap_or_default());
            let number = fields.int(4).context("no statement number")?;
            fields.int(2);
            let parameters = fields.int(2).context("no parameter count")?;
            let statement = Statement {
                number: u32::try_from(number)?,
                parameters: u16::try_from(parameters)?,
            };
            self.statements.insert(name, statement);
        }
        Ok(reply)
    }

    /// Whatever comes until the end.
    async fn read_to_end(&mut self) -> anyhow::Result<Reply> {
        self.flush().await?;
        let mut reply = Reply::default();
        while let Some(framed) = self.wire.read().await? {
            let kind = match framed.payload.first() {
                Some(0xff) => Kind::Err,
                _ => Kind::Text,
            };
            reply.packets.push(Packet { kind, framed });
        }
        reply.closed = true;
        self.dead = true;
        Ok(reply)
    }

    async fn quit(&mut self) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        frame(&[0x01], 0, &mut bytes);
        self.wire.write(&bytes).await?;
        while self.wire.read().await?.is_some() {}
        Ok(())
    }
}

/// The greeting's facts as text; number and nonce are each connection's own. TLS is the gatekeeper's to offer, and
/// MariaDB has no certificate until it is given one; what is never offered has its own cases.
fn greeting(greeting: &Greeting) -> Packet {
    let is_mariadb = !greeting.capabilities.has(Capabilities::LONG_PASSWORD);
    let own = if is_mariadb {
        Capabilities::SSL | Capabilities::MARIADB_CACHE_METADATA
    } else {
        Capabilities::NONE
    };
    let capabilities = greeting.capabilities.without(own);
    let facts = format!(
        "version {:?}, collation {}, status {:?}, plugin {:?}, capabilities {capabilities:?} {:#x}",
        String::from_utf8_lossy(&greeting.version),
        greeting.collation,
        greeting.status,
        String::from_utf8_lossy(&greeting.auth_plugin),
        capabilities.0
    );
    Packet {
        kind: Kind::Greeting,
        framed: Framed {
            sequence: 0,
            parts: 1,
            payload: facts.into_bytes(),
        },
    }
}

/// OK or ERR. How many packets went before depends on what the server remembers of the password.
fn last_of_login(framed: Framed) -> Packet {
    let kind = match framed.payload.first() {
        Some(0xff) => Kind::Err,
        _ => Kind::Ok,
    };
    Packet {
        kind,
        framed: Framed {
            sequence: 0,
            ..framed
        },
    }
}
