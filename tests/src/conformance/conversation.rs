//! A conversation as data: who logs in, what is said, and what of the answers may differ.

use infra::local::Engine;

use super::personality::Personality;

/// One conversation.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its file's name, without extension.
    pub subject: String,
    /// What it is about, unique in its file.
    pub name: String,
    /// Line of its title.
    pub line: usize,
    /// How the session begins.
    pub start: Start,
    /// What is said, in order. Step 0 is the login.
    pub steps: Vec<Step>,
}

/// How a session begins, and who speaks.
#[derive(Debug, Clone)]
pub struct Start {
    /// The engine that can have this conversation; both when there is none.
    pub engine: Option<Engine>,
    /// The clients that have it, one after the other.
    pub personalities: Vec<Personality>,
    /// The schema of the login.
    pub schema: Schema,
    /// Another user than `dba`.
    pub user: Option<String>,
    /// Another password than the user's.
    pub password: Option<String>,
    /// The lower byte of the collation in the handshake response.
    pub collation: u8,
}

/// The schema that the login asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schema {
    /// None.
    None,
    /// An empty one of this conversation's own, made anew for each side.
    Own,
    /// One that is there, or is not.
    Named(String),
}

/// One step.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where it stands in the file.
    pub line: usize,
    /// As it stands in the file.
    pub text: String,
    /// The engine that takes this step; both when there is none.
    pub engine: Option<Engine>,
    /// Which of the conversation's connections; the first is 0.
    pub connection: usize,
    /// What is done.
    pub action: Action,
    /// What the manager's own reply must be, for the case to show what it says it does.
    pub expected: Vec<(Option<Engine>, Expected)>,
    /// What need not be the same.
    pub masks: Vec<Mask>,
    /// The proxy is asked where the statement ran.
    pub asks_route: bool,
}

/// How a reply must end on the manager itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// With anything but an error.
    NoError,
    /// With this error.
    Error(u16),
    /// With the end of the connection.
    Closed,
}

/// What is done in a step.
#[derive(Debug, Clone)]
pub enum Action {
    /// Logs in.
    Login {
        /// The greeting is compared too.
        greeting: bool,
    },
    /// Sends a command and reads its reply.
    Ask(Request),
    /// Sends a command and reads nothing yet. Commands sent one after the other travel in one write.
    Send(Request),
    /// Reads the reply to the oldest command that was sent.
    Read,
    /// Sends bytes as they are.
    Bytes(String),
    /// Reads until the server closes the connection.
    ReadToEnd,
    /// What the client's file holds that the server will ask for.
    File(String),
    /// An attribute of the next query or execution.
    Attribute(String, String),
    /// Waits until the workers have what the manager has.
    Sync,
    /// Waits until a node runs a statement with this text in it.
    WaitFor(String),
}

/// A command. Texts are templates (`⟨…⟩`).
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "commands and their arguments have the manual's names")]
pub enum Request {
    Query(String),
    Prepare {
        name: String,
        text: String,
    },
    Execute {
        name: String,
        options: Vec<String>,
        values: String,
    },
    Bulk {
        name: String,
        rows: String,
    },
    Fetch {
        name: String,
        rows: u32,
    },
    LongData {
        name: String,
        parameter: u16,
        text: String,
    },
    ResetStatement(String),
    CloseStatement(String),
    InitDb(String),
    FieldList {
        table: String,
        wild: String,
    },
    ChangeUser {
        user: String,
        password: Option<String>,
        schema: String,
        collation: u16,
    },
    Raw {
        bytes: String,
        shape: Option<Shape>,
    },
}

/// How a reply goes on after its first packet, and where it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the script")]
pub enum Shape {
    TextResults,
    BinaryResults,
    Cursor,
    Prepared,
    Verdict,
    Columns,
    BinaryRows,
    Text,
    Nothing,
    ChangeUser,
}

/// What need not be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mask {
    /// The numbers of the conversation's connections, wherever they stand.
    Ids,
    /// Every run of digits.
    Numbers,
    /// That column of every row, counted from 1.
    Column(usize),
    /// Rows as such, their number included.
    Rows,
    /// The order of rows.
    Order,
    /// The lengths in column definitions: they follow from values that are masked.
    Lengths,
    /// Whether a reply's flags say that no index, or no good one, was used: each node has statistics of its own.
    IndexUse,
    /// SESSION_STATE_CHANGED in EOF packets.
    StateFlag,
}
