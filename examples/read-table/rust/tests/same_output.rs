//! The three programs print the same bytes: the output in the README, and every page of a long list.
//!
//! The programs in Python and TypeScript are skipped, with a message, if boto3 or Node.js is missing.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

mod table;

use std::fs;
use std::io::{Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

/// Installs packages only if they have changed.
const BUILD_TYPESCRIPT: &str = "cd typescript &&
    { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci; } &&
    npm run build";

static ENDPOINT: LazyLock<String> = LazyLock::new(table::serve);

#[test]
fn rust_prints_what_the_readme_shows_and_every_page() {
    check(&[env!("CARGO_BIN_EXE_read-table")]);
}

#[test]
fn python_prints_what_the_readme_shows_and_every_page() {
    let tools = here("../../.tools/aws/bin/python");
    let pythons = [tools.to_str().unwrap(), "python3"];
    match pythons.iter().find(|python| succeeds(&[python, "-c", "import boto3"])) {
        Some(python) => check(&[python, "python/read_table.py"]),
        None => skip("Python", "there is no boto3; `make tools` installs it"),
    }
}

#[test]
fn typescript_prints_what_the_readme_shows_and_every_page() {
    let is_recent = "process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)";
    if !succeeds(&["node", "-e", is_recent]) || !succeeds(&["npm", "--version"]) {
        return skip("TypeScript", "there is no Node.js 20 or newer with npm");
    }
    let output = command(&["sh", "-c", BUILD_TYPESCRIPT]).output().unwrap();
    assert!(output.status.success(), "{output:#?}");
    check(&["node", "typescript/dist/read-table.js"]);
}

/// Checks the output of one program.
fn check(program: &[&str]) {
    let readme = fs::read_to_string(here("README.md")).unwrap();
    let examples = examples(&readme);
    assert!(examples.len() > 3, "the README shows the commands");
    for (arguments, expected) in examples {
        assert_eq!(read_table(program, arguments), expected, "{program:?} {arguments}");
    }

    let many: String = table::many().map(|(_, line)| line + "\n").collect();
    let transactions = |days| read_table(program, &format!("transactions {} {days}", table::ACCOUNT));
    let (printed, before, after) =
        (transactions(""), transactions("--to 2022-12-31"), transactions("--from 2024-01-01"));
    assert!(printed == before + &many + &after, "{program:?} prints {} lines", printed.lines().count());

    let refused = ["", "links", "cards x", "links x y", "links x --to 2024-01-01", "transactions x --to 2024-02-30"];
    for arguments in refused {
        let output = start(program, arguments);
        let (code, printed) = (output.status.code(), output.stdout.len());
        assert_eq!((code, printed), (Some(2), 0), "{program:?} {arguments}");
    }
}

/// What the README shows: `$ read-table ARGUMENTS`, and what it prints, up to the next one or the block's end.
fn examples(readme: &str) -> Vec<(&str, String)> {
    let is_output = |line: &&str| !line.starts_with("```");
    let example = |shown| -> (&str, String) {
        let (arguments, rest) = str::split_once(shown, '\n').unwrap();
        (arguments, rest.split_inclusive('\n').take_while(is_output).collect())
    };
    readme.split("$ read-table ").skip(1).map(example).collect()
}

fn read_table(program: &[&str], arguments: &str) -> String {
    let output = start(program, arguments);
    assert!(output.status.success(), "{program:?} {arguments}: {output:#?}");
    String::from_utf8(output.stdout).unwrap()
}

fn start(program: &[&str], arguments: &str) -> Output {
    command(program)
        .args(arguments.split_whitespace())
        .env("TABLE_NAME", test_aws::dynamodb::TABLE_NAME)
        .env("AWS_ENDPOINT_URL", &*ENDPOINT)
        .output()
        .unwrap()
}

fn succeeds(program: &[&str]) -> bool {
    command(program).output().is_ok_and(|output| output.status.success())
}

/// Returns a command that does not use the AWS configuration of this machine.
fn command(program: &[&str]) -> Command {
    let mut command = Command::new(program[0]);
    command
        .args(&program[1..])
        .current_dir(here(""))
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_ENDPOINT_URL_DYNAMODB")
        .env("AWS_CONFIG_FILE", "/dev/null")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1");
    command
}

/// Prints that a program is skipped. `eprintln!` would show nothing for a test that passes.
fn skip(language: &str, reason: &str) {
    let line = format!("examples/read-table: the program in {language} is skipped, since {reason}\n");
    stderr().write_all(line.as_bytes()).unwrap();
}

/// Returns a path below `examples/read-table`.
fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}
