//! The command `export`: writes all items of a link to a file.
//!
//! The file has one JSON object per line: first the link's own partition in the order of its keys, then its requests.
//! An interrupted export resumes after the last complete line, whose keys say where that is.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::LinkId;
use serde::Deserialize;
use serde_json::json;

use crate::error::Error;
use crate::item::{Item, to_json};
use crate::output::Output;
use crate::stack::Stack;

/// The prefix of internal items, with fingerprints of listed ids. They are not data of the link.
const NOT_EXPORTED: &str = "SEEN#";

/// The table and the link to export.
pub(crate) struct Source<'a> {
    pub(crate) dynamodb: &'a aws_sdk_dynamodb::Client,
    pub(crate) table_name: &'a str,
    pub(crate) link: &'a LinkId,
}

/// The keys of an exported item, from its line in the file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
struct Keys {
    pk: String,
    sk: String,
    /// The link of a request.
    gsi1pk: Option<String>,
}

/// Exports a link.
pub(crate) async fn run(stack: &Stack, output: Output, link: &LinkId, to: &Path) -> Result<(), Error> {
    if to.exists() {
        return Err(Error::Input(format!("{} exists already", to.display())));
    }

    let bar = output.progress("exporting");
    let source = Source { dynamodb: &stack.dynamodb, table_name: &stack.table_name, link };
    let items = export(&source, to, |items| bar.set_message(format!("{items} items"))).await?;
    bar.finish_and_clear();

    output.result(
        &format!("Exported {items} items to {}.", to.display()),
        &json!({ "link_id": link.as_str(), "items": items, "file": to }),
    );
    Ok(())
}

/// Writes or completes the file. Returns the number of its items.
pub(crate) async fn export(source: &Source<'_>, to: &Path, progress: impl Fn(u64)) -> Result<u64, Error> {
    let part = part_of(to)?;
    let (mut items, last) = resume(&part, source.link)?;
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(&part).map_err(Error::file(&part))?;
    let mut file = BufWriter::new(file);

    for (query, mut start_key) in source.queries_after(last.as_ref()) {
        loop {
            let page = query.clone().set_exclusive_start_key(start_key).send().await;
            let page = page.map_err(Error::aws("DynamoDB"))?;
            for item in page.items.unwrap_or_default().iter().filter(|item| is_exported(item)) {
                writeln!(file, "{}", to_json(item)).map_err(Error::file(&part))?;
                items += 1;
            }
            file.flush().map_err(Error::file(&part))?;
            progress(items);

            start_key = page.last_evaluated_key;
            if start_key.is_none() {
                break;
            }
        }
    }

    let file = file.into_inner().map_err(|error| Error::file(&part)(error.into_error()))?;
    file.sync_all().map_err(Error::file(&part))?;
    fs::rename(&part, to).map_err(Error::file(to))?;
    Ok(items)
}

/// Returns the path of the incomplete file. Fails if another user could read a file that is there.
fn part_of(to: &Path) -> Result<PathBuf, Error> {
    let mut name = to.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    if part.symlink_metadata().is_ok_and(|found| !found.is_file() || found.mode() & 0o077 != 0) {
        return Err(Error::Input(format!("{} is not a file that only its owner can read; remove it", part.display())));
    }
    Ok(part)
}

/// Removes an incomplete last line. Returns the number of items in the file and the keys of the last one. Fails if the
/// file belongs to another link.
fn resume(part: &Path, link: &LinkId) -> Result<(u64, Option<Keys>), Error> {
    if !part.exists() {
        return Ok((0, None));
    }

    let mut reader = BufReader::new(File::open(part).map_err(Error::file(part))?);
    let (mut items, mut complete_bytes, mut last) = (0, 0, None);
    let mut text = String::new();
    loop {
        text.clear();
        let bytes = reader.read_line(&mut text).map_err(Error::file(part))?;
        let keys = if text.ends_with('\n') { serde_json::from_str::<Keys>(&text).ok() } else { None };
        let Some(keys) = keys else { break };
        if keys.partition().strip_prefix("LINK#") != Some(link.as_str()) {
            return Err(Error::Input(format!("{} is the export of another link; remove it", part.display())));
        }
        complete_bytes += bytes as u64;
        items += 1;
        last = Some(keys);
    }

    let file = OpenOptions::new().write(true).open(part);
    file.and_then(|file| file.set_len(complete_bytes)).map_err(Error::file(part))?;
    Ok((items, last))
}

fn is_exported(item: &Item) -> bool {
    !matches!(item.get("sk"), Some(AttributeValue::S(sk)) if sk.starts_with(NOT_EXPORTED))
}

impl Keys {
    fn is_request(&self) -> bool {
        self.pk.starts_with("REQUEST#")
    }

    /// Returns the partition of the link that the item belongs to.
    fn partition(&self) -> &str {
        self.gsi1pk.as_deref().filter(|_| self.is_request()).unwrap_or(&self.pk)
    }

    fn start_key(&self) -> Item {
        Item::from([("pk".to_owned(), s(&self.pk)), ("sk".to_owned(), s(&self.sk))])
    }
}

impl Source<'_> {
    /// Returns the queries whose items follow the last exported item, each with its start key.
    fn queries_after(&self, last: Option<&Keys>) -> Vec<(QueryFluentBuilder, Option<Item>)> {
        match last {
            Some(request) if request.is_request() => vec![(self.requests(), Some(self.start_key_after(request)))],
            _ => vec![(self.partition(), last.map(Keys::start_key)), (self.requests(), None)],
        }
    }

    fn partition(&self) -> QueryFluentBuilder {
        let query = self.dynamodb.query().table_name(self.table_name).consistent_read(true);
        query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", s(&self.pk()))
    }

    fn requests(&self) -> QueryFluentBuilder {
        let query = self.dynamodb.query().table_name(self.table_name).index_name("gsi1");
        query.key_condition_expression("gsi1pk = :pk").expression_attribute_values(":pk", s(&self.pk()))
    }

    /// Returns the start key in the index of a link's requests.
    fn start_key_after(&self, request: &Keys) -> Item {
        let mut key = request.start_key();
        key.extend([("gsi1pk".to_owned(), s(&self.pk())), ("gsi1sk".to_owned(), s(&request.pk))]);
        key
    }

    fn pk(&self) -> String {
        format!("LINK#{}", self.link)
    }
}

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn a_file(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("belvo-sync-export-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder.join("export.jsonl")
    }

    async fn a_table() -> aws_sdk_dynamodb::Client {
        let dynamodb = test_aws::dynamodb::start().await;
        let put = async |item: Item| {
            dynamodb.put_item().table_name(test_aws::dynamodb::TABLE_NAME).set_item(Some(item)).send().await.unwrap();
        };
        let item = |pk: &str, sk: &str| Keys { pk: pk.to_owned(), sk: sk.to_owned(), gsi1pk: None }.start_key();
        for sk in ["LINK", "SEEN#x", "ACCOUNTS#a"] {
            put(item("LINK#l-1", sk)).await;
        }
        for n in 0..40 {
            let mut record = item("LINK#l-1", &format!("TRANSACTIONS#{n:02}"));
            // Large enough for several pages of a megabyte.
            record.insert("data".to_owned(), s(&"x".repeat(100_000)));
            record.insert("amount".to_owned(), AttributeValue::N(format!("{n}.10000000000000000001")));
            put(record).await;
        }
        for n in 0..3 {
            let mut request = item(&format!("REQUEST#{n}"), "REQUEST");
            request.extend([("gsi1pk".to_owned(), s("LINK#l-1")), ("gsi1sk".to_owned(), s(&format!("REQUEST#{n}")))]);
            put(request).await;
        }
        put(item("LINK#l-2", "LINK")).await;
        dynamodb
    }

    fn write_part(to: &Path, text: &str) {
        let part = to.with_extension("jsonl.part");
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(part).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[tokio::test]
    async fn a_file_of_another_link_or_with_other_readers_is_not_resumed() {
        let (dynamodb, link) = (a_table().await, LinkId::parse("l-2").unwrap());
        let source = Source { dynamodb: &dynamodb, table_name: test_aws::dynamodb::TABLE_NAME, link: &link };
        let to = a_file("of-another");
        for line in [
            r#"{"pk":"LINK#l-1","sk":"LINK"}"#,
            r#"{"gsi1pk":"LINK#l-1","pk":"REQUEST#1","sk":"REQUEST"}"#,
            r#"{"pk":"REQUEST#1","sk":"REQUEST"}"#,
        ] {
            write_part(&to, &format!("{line}\n"));
            let error = export(&source, &to, |_| {}).await.unwrap_err().to_string();
            assert!(error.contains("of another link"), "{error}");
        }
        fs::remove_file(to.with_extension("jsonl.part")).unwrap();
        fs::write(to.with_extension("jsonl.part"), "").unwrap();
        assert!(export(&source, &to, |_| {}).await.unwrap_err().to_string().contains("only its owner"));
    }

    #[tokio::test]
    async fn an_export_has_every_item_once_wherever_it_was_interrupted() {
        let (dynamodb, link) = (a_table().await, LinkId::parse("l-1").unwrap());
        let source = Source { dynamodb: &dynamodb, table_name: test_aws::dynamodb::TABLE_NAME, link: &link };
        let whole = a_file("whole");
        let pages = Cell::new(0);
        let items = export(&source, &whole, |_| pages.set(pages.get() + 1)).await.unwrap();
        assert!(pages.get() > 3, "several pages");
        let text = fs::read_to_string(&whole).unwrap();
        assert_eq!((items, text.lines().count()), (45, 45));
        assert!(
            text.contains(r#""amount":7.10000000000000000001,"#) && !text.contains("l-2") && !text.contains("SEEN")
        );
        for bytes in [0, 10, text.len() / 3, text.len() / 2 + 7, text.len() - 400, text.len() - 10, text.len()] {
            let to = a_file(&bytes.to_string());
            write_part(&to, &text[..bytes]);
            assert_eq!(export(&source, &to, |_| {}).await.unwrap(), 45, "{bytes}");
            assert!(fs::read_to_string(&to).unwrap() == text, "{bytes}");
            assert!(!to.with_extension("jsonl.part").exists());
        }
    }
}
