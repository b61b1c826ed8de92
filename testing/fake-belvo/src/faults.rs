//! Faults on the way to a client, as rules.
//!
//! A rule has a match, a fault and a frequency. Content faults are cumulative; of the others, the first rule that fires decides.
//! `api::faults` and `content` apply faults of requests, `delivery` those of webhooks. Rules are deterministic: each rule with a
//! probability has its own seed.

mod content;
pub(crate) mod page;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::content::Content;
pub use self::content::{BrokenObject, FailingObject, Form};
use crate::{call::Call, webhooks::Outgoing};

/// The maximum number of rules.
const MAX_RULES: usize = 100;
/// The maximum time of a delay or of a hanging request.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// A fault, the requests or webhooks that it applies to, and its frequency.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The requests or webhooks that it applies to.
    #[serde(rename = "match", default)]
    pub matches: Match,
    /// The fault.
    pub fault: Fault,
    /// The number of times that it fires; unlimited if absent.
    #[serde(default)]
    pub count: Option<u64>,
    /// The probability that it fires, between 0 and 1; 1 if absent.
    #[serde(default)]
    pub probability: Option<f64>,
    /// The number of matching requests before it first fires.
    #[serde(default)]
    pub after: u64,
    /// The seed for the probability.
    #[serde(default)]
    pub seed: u64,
}

/// The requests, or for webhook faults the webhooks, that a rule applies to: those that match every given member.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Match {
    /// `GET`, `POST`, ...
    pub method: Option<String>,
    /// The prefix of the path.
    pub path_prefix: Option<String>,
    /// The link in the query or of the webhook.
    pub link: Option<String>,
    /// The page of a list; a list without `page` is on page 1.
    pub page: Option<usize>,
    /// The webhook's type.
    pub webhook_type: Option<String>,
    /// The webhook's code.
    pub webhook_code: Option<String>,
}

/// A fault of a request or of a webhook.
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
    /// A 403 with the firewall's HTML page.
    #[serde(rename = "html_403")]
    Html403,
    /// The right response, delayed.
    DelayMs(u64),
    /// No response.
    Hang,
    /// Half of the right response, then a broken connection.
    CutBody,
    /// The right response with a wrong `count`.
    WrongCount(i64),
    /// The right response with this `next`.
    ForeignNext(String),
    /// The maximum page size, as in [`Settings`](crate::Settings).
    PageSizeCap(usize),
    /// The number of rows at the start of the list that appear twice, as after a join; `count` includes them.
    DoubledRows(usize),
    /// One object in a broken form, in lists and under `/{id}/`.
    BrokenObject(BrokenObject),
    /// A failure of every response that would hold one object.
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
    /// On pages after the first, the order has moved by this number of rows, so that the client misses rows.
    RowsMove(usize),
    /// The webhook is sent twice with the same body.
    WebhookTwice,
    /// The webhook is delayed. Its sender does not wait, so that other webhooks may overtake it.
    WebhookLateMs(u64),
    /// The webhook is held until the link's next one has been delivered.
    WebhookOutOfOrder,
    /// The webhook is never sent.
    WebhookLost,
    /// A 202 is sent only after its webhook has been delivered.
    WebhookFirst,
}

/// A rule and its counters.
#[derive(Debug, Clone, Serialize)]
pub struct RuleReport {
    /// The rule.
    #[serde(flatten)]
    pub rule: Rule,
    /// The number of requests or webhooks that matched.
    pub matched: u64,
    /// The number of times that it fired.
    pub fired: u64,
}

/// All rules, in order.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Vec<(RuleReport, fastrand::Rng)>,
}

impl Faults {
    /// Adds rules. Returns `false` if there would be too many.
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

    /// Returns the content faults whose rules fire for this request, and the first other fault.
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

    /// Returns the fault of the first rule that fires for this webhook.
    pub(crate) fn pick_for_webhook(&mut self, webhook: &Outgoing) -> Option<Fault> {
        let fires = |(report, rng): &mut (RuleReport, fastrand::Rng)| {
            (report.rule.is_about_webhook(webhook) && report.fires(rng)).then(|| report.rule.fault.clone())
        };
        self.rules.iter_mut().find_map(fires)
    }
}

/// The effect of faults on a list.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct View {
    /// The number of rows by which the order has moved since page 1.
    pub(crate) shift: usize,
    /// The maximum page size; 0 is none.
    pub(crate) page_size_cap: usize,
    /// The number of rows at the start of the list that appear twice.
    pub(crate) doubled_rows: usize,
}

/// The faults of one request.
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
