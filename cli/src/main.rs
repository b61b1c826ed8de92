//! `belvo-sync`: what an operator does to a deployed stack, from the command line.
//!
//! It finds everything by the stack's name in CloudFormation and works on AWS and on a local stack alike: which of the two
//! is a matter of AWS's usual environment (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`). What a command prints goes to
//! standard output, what it is doing to standard error.

mod authorization;
mod dead_letters;
mod erase;
mod error;
mod events;
mod export;
mod item;
mod link_pages;
mod links;
mod output;
mod queue_age;
mod resync;
mod rotate;
mod stack;
mod status;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use domain::LinkId;

use crate::error::Error;
use crate::output::Output;
use crate::stack::Stack;

/// Operates a deployed belvo-sync.
#[derive(Parser)]
#[command(name = "belvo-sync", version, about, max_term_width = 100)]
struct Arguments {
    /// The stack's name in CloudFormation.
    #[arg(long, env = "STACK_NAME", default_value = "belvo-sync", global = true)]
    stack: String,
    /// Prints JSON, one object a line, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows whether work is waiting, whether something has failed for good, and what is due.
    Status,
    /// Explains what happened to a link's data: its status, its lists, its last webhooks, one record.
    Why(why::Why),
    /// Shows the links of one of your users, or all those whose users have to act.
    Links(links::Which),
    /// Looks at messages that failed for good, sends them back, or takes them out.
    #[command(subcommand)]
    DeadLetters(dead_letters::What),
    /// Has data listed again and stored, of some links or of all.
    Resync(resync::Resync),
    /// Prints the Authorization header, whose value to paste into Belvo's dashboard. It is a credential.
    AuthorizationHeader(authorization::Print),
    /// Replaces a secret, without a gap and without a deployment.
    #[command(subcommand)]
    Rotate(rotate::Which),
    /// Writes everything that the table holds about a link to a file, one item a line, with exact numbers.
    ///
    /// When it was broken off, the same command goes on where it stopped.
    Export {
        /// Whose data.
        link_id: LinkArgument,
        /// The file. While it is being written its name ends in .part; only its owner may read it.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Erases all that the stack holds about links, for good: nothing is ever stored of them again.
    ///
    /// It does not delete them at Belvo: the request function's action `delete_link` does. When it was broken off, the same
    /// command does it again; that changes nothing about what is erased already.
    Erase {
        /// Whose data.
        #[arg(required = true)]
        link_ids: Vec<LinkArgument>,
        /// A file that gets a receipt for each link. Keep it outside the table: after the table was restored from a
        /// backup, replay-erasures needs it.
        #[arg(long, value_name = "FILE")]
        receipts: PathBuf,
        /// Does not ask. Without it the links are shown, and their ids have to be typed.
        #[arg(long)]
        yes: bool,
    },
    /// Erases again what was erased before the table was restored.
    ReplayErasures {
        /// The file that erase wrote.
        receipts: PathBuf,
    },
}

/// A link's id on the command line.
#[derive(Debug, Clone)]
struct LinkArgument(LinkId);

impl std::str::FromStr for LinkArgument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        LinkId::parse(text).map(Self).map_err(|_| "a link's id has 1 to 128 characters of A-Z a-z 0-9 _ -")
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);
    match run(arguments, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, output: &Output) -> Result<(), Error> {
    let stack = Stack::find(&arguments.stack).await?;
    match arguments.command {
        Command::Status => status::run(&stack, output).await,
        Command::Why(why) => why::run(&stack, output, &why).await,
        Command::Links(which) => links::run(&stack, output, &which).await,
        Command::DeadLetters(what) => dead_letters::run(&stack, output, what).await,
        Command::Resync(resync) => resync::run(&stack, output, &resync).await,
        Command::AuthorizationHeader(print) => authorization::print(&stack, output, print).await,
        Command::Rotate(which) => rotate::run(&stack, output, which).await,
        Command::Export { link_id: LinkArgument(link), to } => export::run(&stack, output, &link, &to).await,
        Command::Erase { link_ids, receipts, yes } => {
            let links: Vec<_> = link_ids.into_iter().map(|LinkArgument(link)| link).collect();
            if !yes {
                erase::confirm::erasure(&stack, &links).await?;
            }
            erase::run(&stack, output, &links, &receipts).await
        }
        Command::ReplayErasures { receipts } => erase::replay(&stack, output, &receipts).await,
    }
}
