//! One program: with the manager itself, then through, then compared.

use std::collections::VecDeque;
use std::fmt;

use anyhow::Context;
use mysql_async::prelude::Queryable;

use super::program::{Fault, Program};
use super::schema;
use crate::conformance::compare::{Heard, difference};
use crate::conformance::play::{Record, play};
use crate::conformance::reply::{Kind, Reply};
use crate::conformance::suite::{Lane, Site};

/// Workers apply less at a time than a manager runs. They are waited for only when they are so many programs behind that
/// no read would ever find one that is near.
const PROGRAMS_BEHIND_MAX: usize = 2;

/// The first line whose replies differ.
#[derive(Debug, Clone)]
pub(crate) struct Difference {
    pub(crate) line: usize,
    pub(crate) what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} differs:\n{}", self.line, self.what)
    }
}

/// A place for programs: a schema that nobody else uses on either side, and the administrator's connections.
pub(crate) struct Stand<'a> {
    sides: &'a Sides,
    schema: String,
    fault: Fault,
    direct: Ground,
    through: Ground,
    /// Where the manager stood before each of the last programs.
    positions: VecDeque<String>,
}

/// The two sides of every program.
pub(crate) struct Sides {
    /// A single server.
    pub(crate) direct: Site,
    /// Gatekeeper, proxy, manager and workers.
    pub(crate) through: Site,
}

/// The tables of one side.
struct Ground {
    lane: Lane,
    /// The tables are as they were made; their rows need not be.
    defined: bool,
}

impl Ground {
    async fn anew(&mut self, schema: &str, program: &Program) -> anyhow::Result<()> {
        let text = if self.defined {
            schema::refilled(schema, program.mode)
        } else {
            schema::anew(schema, self.lane.engine())
        };
        self.lane.manager.query_drop(&text).await.context(text)?;
        self.defined = !program.defines();
        Ok(())
    }

    async fn clear(&mut self, schema: &str) -> anyhow::Result<()> {
        for schema in [schema.to_owned(), schema::second(schema)] {
            let drop = format!("DROP DATABASE IF EXISTS {schema}");
            self.lane.manager.query_drop(drop).await?;
        }
        Ok(())
    }
}

impl<'a> Stand<'a> {
    pub(crate) async fn open(sides: &'a Sides, schema: String, fault: Fault) -> anyhow::Result<Stand<'a>> {
        let ground = async |site| {
            anyhow::Ok(Ground {
                lane: Lane::open(site).await?,
                defined: false,
            })
        };
        Ok(Stand {
            sides,
            schema,
            fault,
            direct: ground(&sides.direct).await?,
            through: ground(&sides.through).await?,
            positions: VecDeque::new(),
        })
    }

    /// Has the program on both sides at once.
    pub(crate) async fn run(&mut self, program: &Program) -> anyhow::Result<Option<Difference>> {
        self.positions.push_back(self.through.lane.position().await?);
        if self.positions.len() > PROGRAMS_BEHIND_MAX
            && let Some(position) = self.positions.pop_front()
        {
            self.through.lane.wait_until(&position).await?;
        }
        let schema = self.schema.as_str();
        tokio::try_join!(
            self.direct.anew(schema, program),
            self.through.anew(schema, program)
        )?;
        // on a busy machine nobody would ever catch up: worker2 begins with what the program begins with, and falls behind
        // while it runs
        let position = self.through.lane.position().await?;
        self.through.lane.wait_for_workers(1, &position).await?;
        let (case, direct_lines) = program.direct(schema);
        let direct = play(
            &case,
            program.personality,
            &self.sides.direct.direct,
            schema,
            &mut self.direct.lane,
        );
        let (case, through_lines) = program.through(schema, self.fault);
        let through = play(
            &case,
            program.personality,
            &self.sides.through.through,
            schema,
            &mut self.through.lane,
        );
        let (direct, through) = tokio::try_join!(direct, through)?;
        for (line, (one, other)) in through_lines.into_iter().zip(direct_lines).enumerate() {
            let step = one;
            let masks = case.steps.get(one).map_or(&[][..], |step| &step.masks);
            let (Some(one), Some(other)) = (through.replies.get(one), direct.replies.get(other)) else {
                let what = format!(
                    "      it ended: through {:?}, direct {:?}",
                    through.replies.last(),
                    direct.replies.last()
                );
                return Ok(Some(Difference { line, what }));
            };
            if names_any(one).is_some_and(|code| Some(code) == names_any(other)) {
                continue;
            }
            let heard = |reply, record: &'_ Record| Heard {
                reply,
                capabilities: record.capabilities,
                ids: &[],
            };
            if let Some(what) = difference(&heard(one, &through), &heard(other, &direct), masks) {
                let route = through.routes.iter().find(|(routed, _)| *routed == step);
                let ran = route.map_or("nobody knows where", |(_, route)| route);
                let what = format!("{what}      it ran on: {}\n", readable(ran));
                return Ok(Some(Difference { line, what }));
            }
        }
        Ok(None)
    }

    /// Leaves nothing behind.
    pub(crate) async fn clear(&mut self) -> anyhow::Result<()> {
        self.direct.clear(&self.schema).await?;
        self.through.clear(&self.schema).await
    }
}

/// A row of texts, without their lengths.
fn readable(row: &str) -> String {
    row.chars()
        .map(|shown| if shown.is_control() { ' ' } else { shown })
        .collect()
}

/// The code of an error that names what is never the same: a statement's number (1243 unknown, 1421 no cursor), or, on MySQL,
/// any one of several tables that are locked for reading (1099: of those that foreign keys add, in the order of a hash).
fn names_any(reply: &Reply) -> Option<u16> {
    const IN_A_WARNING: &[u8] = b"prepared statement handler (";
    let holds = |payload: &[u8]| {
        payload
            .windows(IN_A_WARNING.len())
            .any(|part| part == IN_A_WARNING)
    };
    if reply.packets.iter().any(|packet| holds(&packet.framed.payload)) {
        return Some(1243);
    }
    match reply.packets.as_slice() {
        [only] if only.kind == Kind::Err => {
            let code = only.framed.payload.get(1..3)?.try_into().ok()?;
            Some(u16::from_le_bytes(code)).filter(|code| matches!(code, 1099 | 1243 | 1421))
        }
        _ => None,
    }
}
