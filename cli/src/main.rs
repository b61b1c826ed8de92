//! `belvo-sync`: the command line for operators of a deployed stack.
//!
//! It finds the parts of the stack through CloudFormation, on AWS and on a local stack alike. AWS's usual environment
//! variables (`AWS_PROFILE`, `AWS_REGION`, `AWS_ENDPOINT_URL`) select the account and the endpoint. Results go to
//! standard output, progress and notes to standard error.

mod arguments;
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
mod summary;
mod why;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use domain::LinkId;

use crate::error::Error;
use crate::output::Output;
use crate::stack::Stack;

/// Operates a deployed belvo-sync stack.
#[derive(Parser)]
#[command(name = "belvo-sync", version, about, max_term_width = 100)]
struct Arguments {
    /// The name of the CloudFormation stack.
    #[arg(long, env = "STACK_NAME", default_value = "belvo-sync", global = true)]
    stack: String,
    /// Prints JSON, one object per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows whether messages are waiting, whether any failed permanently, and how much work is due.
    Status,
    /// Explains the state of a link's data: its status, its sync states, one record, its latest events.
    Why(why::Arguments),
    /// Shows the links of one user, or all links whose users have to act.
    Links(links::Arguments),
    /// Lists messages that failed permanently, redrives them, or deletes them.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Lists and stores the data of some links, or of all links, again.
    Resync(resync::Arguments),
    /// Prints the Authorization header for Belvo's dashboard. The header is a credential.
    AuthorizationHeader(authorization::Arguments),
    /// Replaces a secret without downtime and without a deployment.
    #[command(subcommand)]
    Rotate(rotate::Command),
    /// Writes all items of a link to a file, one JSON object per line, with exact numbers.
    ///
    /// If an export is interrupted, the same command resumes it.
    Export {
        /// The link to export.
        #[arg(value_parser = arguments::link_id)]
        link_id: LinkId,
        /// The file to write. Its name ends in .part until it is complete. Only its owner can read it.
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
    },
    /// Erases all data of links permanently. The stack stores nothing about them again.
    ///
    /// The command does not delete the links at Belvo: the request function's action `delete_link` does. If an erasure
    /// is interrupted, run the same command again: it is idempotent.
    Erase {
        /// The links to erase.
        #[arg(required = true, value_parser = arguments::link_id)]
        link_ids: Vec<LinkId>,
        /// The file that receives a receipt for each link. Keep it outside the table: replay-erasures needs it after a
        /// restore from a backup.
        #[arg(long, value_name = "FILE")]
        receipts: PathBuf,
        /// Skips the confirmation. Without this option the command shows each link, and you type its id.
        #[arg(long)]
        yes: bool,
    },
    /// Erases the links of a receipts file again, after a restore of the table.
    ReplayErasures {
        /// The file that erase wrote.
        receipts: PathBuf,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(arguments.json);

    match run(arguments, output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.error(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments, output: Output) -> Result<(), Error> {
    let stack = Stack::find(&arguments.stack).await?;

    match arguments.command {
        Command::Status => status::run(&stack, output).await,
        Command::Why(arguments) => why::run(&stack, output, &arguments).await,
        Command::Links(arguments) => links::run(&stack, output, &arguments).await,
        Command::DeadLetters(command) => dead_letters::run(&stack, output, command).await,
        Command::Resync(arguments) => resync::run(&stack, output, &arguments).await,
        Command::AuthorizationHeader(arguments) => authorization::run(&stack, output, arguments).await,
        Command::Rotate(command) => rotate::run(&stack, output, command).await,
        Command::Export { link_id, to } => export::run(&stack, output, &link_id, &to).await,
        Command::Erase { link_ids, receipts, yes } => {
            if !yes {
                erase::confirm(&stack, &link_ids).await?;
            }
            erase::run(&stack, output, &link_ids, &receipts).await
        }
        Command::ReplayErasures { receipts } => erase::replay(&stack, output, &receipts).await,
    }
}
