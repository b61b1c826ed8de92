//! Everything that can go wrong on the way to a client, as rules.
//!
//! A rule says which requests it is about, what happens to them, and how often. Faults of what an answer holds add up; of the
//! others the first rule that fires decides. Faults of requests are applied in `effects` and `content`, those of webhooks in
//! `mishaps`, and nowhere else. Rules are deterministic: those with a
//! probability draw from their own seed.

mod content;
pub(crate) mod page;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::content::Content;
pub use self::content::{BrokenObject, FailingObject, Form};
use crate::{call::Call, webhooks::Outgoing};

/// More rules than this are refused.
const MAX_RULES: usize = 100;
/// Nothing hangs or waits longer.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// What happens to which requests, how often.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which requests it is about.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// What happens to them.
    pub fault: Fault,
    /// It fires so often and then never again; without it, always.
    #[serde(default)]
    pub count: Option<u64>,
    /// It fires for so many of the requests, between 0 and 1; without it, for all.
    #[serde(default)]
    pub probability: Option<f64>,
    /// The first so many requests are spared.
    #[serde(default)]
    pub after: u64,
    /// For the probability.
    #[serde(default)]
    pub seed: u64,
}

/// Which requests, or for faults of webhooks which webhooks, a rule is about: those that fit everything that is given.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// `GET`, `POST`, ...
    pub method: Option<String>,
    /// The path begins so.
    pub path_prefix: Option<String>,
    /// The query's `link`, or the webhook's.
    pub link: Option<String>,
    /// The page of a list; a list without `page` is on page 1.
    pub page: Option<usize>,
    /// The webhook's type.
    pub webhook_type: Option<String>,
    /// The webhook's code.
    pub webhook_code: Option<String>,
}

/// What can happen to a request, or to a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This status with Belvo's error array.
    Status(u16),
    /// This status with Belvo's error array and this code.
    Error {
        /// The HTTP status.
        status: u16,
        /// Belvo's code.
        code: String,
    },
    /// The edge's HTML page.
    #[serde(rename = "html_403")]
    Html403,
    /// The right answer, late.
    DelayMs(u64),
    /// No answer.
    Hang,
    /// Half of the right answer, then a broken connection.
    CutBody,
    /// The right answer with a wrong `count`.
    WrongCount(i64),
    /// The right answer with this `next`.
    ForeignNext(String),
    /// Pages are silently no larger than this, as with the setting of this name.
    PageSizeCap(usize),
    /// This number of rows at the start of the list stand twice in it, as after a join; `count` counts them.
    DoubledRows(usize),
    /// One object is hard to read, in lists and under `/{id}/`.
    BrokenObject(BrokenObject),
    /// Every answer that would hold one object fails.
    FailingObject(FailingObject),
    /// Any JSON in place of `count`.
    Count(Value),
    /// No `count`.
    NoCount,
    /// Any JSON in place of `next`.
    Next(Value),
    /// No `next`.
    NoNext,
    /// A 200 that is not JSON.
    Garbage,
    /// On pages after the first: the order has moved by so many since then, so that rows fall between the pages.
    RowsMove(usize),
    /// The webhook is sent again once its delivery has ended, with the same body.
    WebhookTwice,
    /// The webhook is sent so much later. Whoever caused it does not wait, so that others may overtake it.
    WebhookLateMs(u64),
    /// The webhook is held back until the link's next one has been delivered.
    WebhookOutOfOrder,
    /// The webhook is never sent.
    WebhookLost,
    /// A 202 is answered only after the webhook that it promises has been delivered.
    WebhookFirst,
}

/// A rule and what it did so far.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// How many requests or webhooks it was about.
    pub matched: u64,
    /// How many of them it hit.
    pub fired: u64,
}

/// All rules, in order.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Vec<(RuleReport, fastrand::Rng)>,
}

impl Faults {
    /// False if there would be too many.
    pub(crate) fn add(&mut self, rules: Vec<Rule>) -> bool {
        if self.rules.len() + rules.len() > MAX_RULES {
            return false;
        }
        let fresh = |rule: Rule| {
            let rng = fastrand::Rng::with_seed(rule.seed);
            (RuleReport { rule, matched: 0, fired: 0 }, rng)
        };
        self.rules.extend(rules.into_iter().map(fresh));
        true
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(crate) fn report(&self) -> Vec<RuleReport> {
        self.rules.iter().map(|(report, _)| report.clone()).collect()
    }

    /// The faults of content whose rules fire for this request, and the first other one.
    pub(crate) fn pick(&mut self, call: &Call) -> Picked {
        let mut picked = Picked::default();
        for (report, rng) in self.rules.iter_mut().filter(|(report, _)| report.rule.is_about(call)) {
            let due = picked.fault.is_none() || report.rule.fault.is_of_content();
            if due && report.fires(rng) {
                picked.fault = picked.content.add(report.rule.fault.clone()).or(picked.fault);
            }
        }
        picked
    }

    /// The fault of the first rule that fires for this webhook.
    pub(crate) fn pick_mishap(&mut self, webhook: &Outgoing) -> Option<Fault> {
        let fires = |(report, rng): &mut (RuleReport, fastrand::Rng)| {
            (report.rule.is_about_webhook(webhook) && report.fires(rng)).then(|| report.rule.fault.clone())
        };
        self.rules.iter_mut().find_map(fires)
    }
}

/// How faults change what a list looks like.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct View {
    /// How far the order has moved since page 1.
    pub(crate) shift: usize,
    /// Pages are no larger; 0 is off.
    pub(crate) page_size_cap: usize,
    /// This number of rows at the start of the list stand twice in it.
    pub(crate) doubled_rows: usize,
}

/// What happens to one request.
#[derive(Default)]
pub(crate) struct Picked {
    pub(crate) fault: Option<Fault>,
    pub(crate) content: Content,
}

impl RuleReport {
    fn fires(&mut self, rng: &mut fastrand::Rng) -> bool {
        if self.rule.count.is_some_and(|count| self.fired >= count) {
            return false;
        }
        self.matched += 1;
        let fires = self.matched > self.rule.after && self.rule.probability.is_none_or(|share| rng.f64() < share);
        self.fired += u64::from(fires);
        fires
    }
}

impl Rule {
    fn is_about(&self, call: &Call) -> bool {
        let Match { method, path_prefix, link, page, webhook_type: None, webhook_code: None } = &self.matches else {
            return false;
        };
        !self.fault.is_of_webhooks()
            && method.as_ref().is_none_or(|method| method.eq_ignore_ascii_case(call.method.as_str()))
            && path_prefix.as_ref().is_none_or(|prefix| call.path.starts_with(prefix))
            && link.as_ref().is_none_or(|link| call.parameter("link") == Some(link))
            && page.is_none_or(|page| call.page() == page)
            && !(matches!(self.fault, Fault::RowsMove(_)) && call.page() < 2)
    }

    fn is_about_webhook(&self, webhook: &Outgoing) -> bool {
        let Match { method: None, path_prefix: None, link, page: None, webhook_type, webhook_code } = &self.matches
        else {
            return false;
        };
        self.fault.is_of_webhooks()
            && link.as_ref().is_none_or(|link| webhook.link_id.as_ref() == Some(link))
            && webhook_type.as_ref().is_none_or(|name| *name == webhook.webhook_type)
            && webhook_code.as_ref().is_none_or(|name| *name == webhook.webhook_code)
    }
}

impl Fault {
    fn is_of_content(&self) -> bool {
        Content::default().add(self.clone()).is_none()
    }

    fn is_of_webhooks(&self) -> bool {
        matches!(self, Self::WebhookTwice | Self::WebhookLateMs(_) | Self::WebhookOutOfOrder | Self::WebhookLost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Rule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_fault_has_its_notation() {
        let faults = [
            (r#"{"status":500}"#, Fault::Status(500)),
            (r#""html_403""#, Fault::Html403),
            (r#"{"delay_ms":20}"#, Fault::DelayMs(20)),
            (r#""hang""#, Fault::Hang),
            (r#""cut_body""#, Fault::CutBody),
            (r#"{"wrong_count":-3}"#, Fault::WrongCount(-3)),
            (r#"{"foreign_next":"http://x/"}"#, Fault::ForeignNext("http://x/".into())),
            (r#""garbage""#, Fault::Garbage),
            (r#"{"rows_move":1}"#, Fault::RowsMove(1)),
            (r#"{"page_size_cap":100}"#, Fault::PageSizeCap(100)),
            (r#"{"doubled_rows":1}"#, Fault::DoubledRows(1)),
            (
                r#"{"broken_object":{"id":"a","form":"lone_surrogate"}}"#,
                Fault::BrokenObject(BrokenObject { id: "a".into(), form: Form::LoneSurrogate }),
            ),
            (r#"{"failing_object":"a"}"#, Fault::FailingObject(FailingObject { id: "a".into(), status: 500 })),
            (
                r#"{"failing_object":{"id":"a","status":408}}"#,
                Fault::FailingObject(FailingObject { id: "a".into(), status: 408 }),
            ),
            (r#"{"count":null}"#, Fault::Count(Value::Null)),
            (r#""no_count""#, Fault::NoCount),
            (r#"{"next":false}"#, Fault::Next(false.into())),
            (r#""no_next""#, Fault::NoNext),
            (r#""webhook_twice""#, Fault::WebhookTwice),
            (r#"{"webhook_late_ms":50}"#, Fault::WebhookLateMs(50)),
            (r#""webhook_out_of_order""#, Fault::WebhookOutOfOrder),
            (r#""webhook_lost""#, Fault::WebhookLost),
            (r#""webhook_first""#, Fault::WebhookFirst),
        ];
        for (text, fault) in faults {
            assert_eq!(parse(&format!(r#"{{"fault":{text}}}"#)).fault, fault);
        }
    }

    #[test]
    fn a_misspelt_rule_is_refused() {
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"hang","cuont":1}"#).is_err());
        assert!(serde_json::from_str::<Rule>(r#"{"fault":"hangs"}"#).is_err());
    }
}
