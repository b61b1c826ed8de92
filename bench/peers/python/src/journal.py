"""What a function writes for each webhook or message: a line of the log, and its metrics for CloudWatch.

Only words of our own become dimensions: CloudWatch bills each of their values.
"""

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit
from settings import optional

NAMESPACE = "belvo-sync"
STACK = optional("STACK_NAME", "none")

# Words that may be logged, and be dimensions: those that Belvo documents.
TYPES = frozenset(
    "ACCOUNTS BALANCES BILLS CONSENT CURRENT_EMPLOYMENTS EMPLOYMENTS EMPLOYMENT_METRICS EMPLOYMENT_RECORDS EXCHANGES"
    " FINANCIAL_STATEMENTS INCOMES INVESTMENTS INVESTMENT_TRANSACTIONS INVOICES LINK OWNERS RECURRING_EXPENSES"
    " RISK_INSIGHTS TAX_COMPLIANCE_STATUS TAX_RETENTIONS TAX_RETURNS TAX_STATUS TRANSACTIONS".split()
)
CODES = frozenset(
    "historical_update new_accounts_available new_transactions_available new_transactions_updated new_owners_available"
    " new_bills_available new_investments_available new_investment_transactions_available new_employments_available"
    " new_tax_returns_available new_invoices_available transactions_updated transactions_deleted employment_changes"
    " initial_inflow_update initial_outflow_update historical_inflow_update historical_outflow_update"
    " invalid_credentials token_required link_deleted openfinance_consent_about_to_expire openfinance_consent_expired"
    " openfinance_consent_expiration_changed openfinance_consent_with_unrecoverable_resources"
    " openfinance_consent_with_temporarily_unavailable_resources consent_expired".split()
)


class Journal:
    """One for the life of an execution environment."""

    def __init__(self, function: str) -> None:
        # Where in the source a line was written is not worth looking at the call stack for.
        self.logger = Logger(service=function, level="INFO", location=None, stack=STACK)
        self._metrics = Metrics(namespace=NAMESPACE)
        self._metrics.set_default_dimensions(stack=STACK)

    def keep(
        self, counts: dict[str, int], durations_ms: dict[str, int] | None = None,
        also_by: dict[str, str] | None = None, **words: str,
    ) -> None:
        """Hands metrics to CloudWatch, kept by the stack and these words; with `also_by` once more by that, too. A count of
        zero is no datapoint."""
        if not durations_ms and not any(counts.values()):
            return
        for name, count in counts.items():
            if count:
                self._metrics.add_metric(name, MetricUnit.Count, count)
        for name, milliseconds in (durations_ms or {}).items():
            self._metrics.add_metric(name, MetricUnit.Milliseconds, milliseconds)
        for name, word in words.items():
            self._metrics.add_dimension(name, word)
        if also_by:
            self._metrics.add_dimensions(**also_by)
        self._metrics.flush_metrics()


def kind(webhook_type: str, code: str) -> dict[str, str]:
    """Type and code as they may be logged: a sender could put anything there."""
    return {
        "webhook_type": webhook_type if webhook_type in TYPES else "other",
        "webhook_code": code if code in CODES else "other",
    }
