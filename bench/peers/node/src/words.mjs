/** Words of Belvo's that may stand in logs and metrics; a sender could put anything else into a webhook. */

const TYPES = new Set([
  "ACCOUNTS", "TRANSACTIONS", "OWNERS", "BILLS", "INVESTMENTS", "INVESTMENT_TRANSACTIONS", "BALANCES", "EXCHANGES",
  "EMPLOYMENTS", "EMPLOYMENT_RECORDS", "EMPLOYMENT_METRICS", "CURRENT_EMPLOYMENTS", "INCOMES", "RECURRING_EXPENSES",
  "RISK_INSIGHTS", "INVOICES", "TAX_RETURNS", "TAX_STATUS", "TAX_COMPLIANCE_STATUS", "TAX_RETENTIONS",
  "FINANCIAL_STATEMENTS", "LINK", "CONSENT",
]);

const CODES = new Set([
  "historical_update", "new_accounts_available", "new_transactions_available", "new_transactions_updated",
  "new_owners_available", "new_bills_available", "new_investments_available", "new_investment_transactions_available",
  "new_employments_available", "new_tax_returns_available", "new_invoices_available", "transactions_updated",
  "transactions_deleted", "employment_changes", "initial_inflow_update", "initial_outflow_update",
  "historical_inflow_update", "historical_outflow_update", "invalid_credentials", "token_required", "link_deleted",
  "openfinance_consent_about_to_expire", "openfinance_consent_expired", "openfinance_consent_expiration_changed",
  "openfinance_consent_with_unrecoverable_resources", "openfinance_consent_with_temporarily_unavailable_resources",
  "consent_expired",
]);

/** Type and code of a webhook as they may be logged. */
export const loggableKind = (type, code) => ({
  webhook_type: TYPES.has(type) ? type : "other",
  webhook_code: CODES.has(code) ? code : "other",
});
