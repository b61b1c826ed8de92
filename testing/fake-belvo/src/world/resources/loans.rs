//! The loan contract inside a loan account, and the fees inside a loan's transaction.

use crate::{
    amount::Amount,
    json::{Object, Put, Raw},
    random::Dice,
    time::{Day, Timestamp},
    world::Place,
};

/// `loan_data` of an account.
pub(crate) fn write_contract(place: Place<'_>, loan: &mut Object<'_>) {
    let (dice, start) = (place.dice(), Day::of(place.row.created).plus(-900));
    let contract = Amount::new(100_000 + 1_000 * dice.roll("contract", 900), 0);
    loan.put("collected_at", Timestamp::styled(place.collected(), place.seed));
    loan.put("loan_code", format!("{}{}", dice.digits("code", 18), dice.digits("code2", 18)));
    loan.put("contract_amount", contract);
    loan.put("total_effective_cost", Amount::new(209_000, 0));
    loan.put("loan_type", "HOME_EQUITY");
    loan.put("outstanding_balance", super::accounts::current(place));
    loan.list_of_one("interest_rates", write_rate);
    loan.list_of_one("fees", write_fee);
    loan.list_of_one("contracted_charges", |charge| {
        charge.put("type", "LATE_PAYMENT_INTEREST_FEE");
        charge.put("info", "Late fee");
        charge.put("rate", Rate(62_000));
    });
    loan.list_of_one("collaterals", |collateral| {
        collateral.put("type", "OPERACOES_GARANTIDAS_PELO_GOVERNO");
        collateral.put("subtype", "CCR_CONVENIO_CREDITOS_RECIPROCOS");
        collateral.put("currency", place.link.institution.currency());
        collateral.put("amount", Amount::new(4_539_189, 2));
    });
    loan.put("balloon_payments", Raw("[]"));
    write_schedule(start, dice, loan);
    loan.nulls(&[
        "monthly_payment",
        "principal",
        "payment_day",
        "outstanding_principal",
        "credit_limit",
        "last_period_balance",
        "interest_rate",
        "limit_day",
        "cutting_day",
        "cutting_date",
        "last_payment_date",
        "no_interest_payment",
    ]);
}

/// `loan_data` of a transaction.
pub(crate) fn write_payment(place: Place<'_>, loan: &mut Object<'_>) {
    let dice = place.dice();
    loan.put("is_detached", dice.once_in("detached", 4));
    loan.put("installment_id", format!("{:x}", dice.bits("installment")));
    loan.list_of_one("fees", |fee| {
        fee.put("name", "Reavaliação periódica do bem");
        fee.put("code", "aval_bem");
        fee.put("amount", Amount::new(dice.roll("fee", 100_000), 2));
    });
    loan.list_of_one("charges", |charge| {
        charge.put("type", "MULTA_ATRASO_PAGAMENTO");
        charge.put("info", "Late payment charge.");
        charge.put("amount", Amount::new(dice.roll("charge", 10_000), 2));
    });
}

/// Millionths, always with six decimals, as open finance Brazil has rates.
struct Rate(u64);

impl Put for Rate {
    fn put(self, out: &mut String) {
        let text = format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000);
        Raw(&text).put(out);
    }
}

fn write_rate(rate: &mut Object<'_>) {
    rate.put("name", "NOMINAL");
    rate.put("type", "MONTHLY");
    rate.put("value", Amount::new(785, 2));
    rate.nest("interest_rate_data", |data| {
        data.put("tax_type", "NOMINAL");
        data.put("rate_type", "SIMPLE");
        data.put("type", "MONTHLY");
        data.put("calculation_base", "30/360");
        data.put("reference_index_type", "FLOATING");
        data.put("reference_index_subtype", "TR_TBF");
        data.nulls(&["reference_index_info"]);
        data.put("pre_fixed_rate", Rate(62_000));
        data.put("post_fixed_rate", Rate(62_000));
        data.nulls(&["additional_info"]);
    });
}

fn write_fee(fee: &mut Object<'_>) {
    fee.nulls(&["type"]);
    fee.put("value", Amount::new(56, 1));
    fee.put("name", "Renovação de cadastro");
    fee.put("code", "CADASTRO");
    fee.put("fee_charge_type", "SINGLE");
    fee.put("fee_charge", "FIXED");
    fee.put("rate", Rate(62_000));
}

fn write_schedule(start: Day, dice: Dice, loan: &mut Object<'_>) {
    let paid = dice.roll("paid", 60);
    loan.put("installments_contract_term_frequency", "MONTH");
    loan.put("installment_frequency", "MONTHLY");
    loan.nulls(&["installment_frequency_info"]);
    loan.put("first_installment_due_date", start.plus(30));
    loan.put("number_of_installments_total", 60_u64);
    loan.put("number_of_installments_outstanding", 60 - paid);
    loan.put("number_of_installments_paid", paid);
    loan.put("number_of_installments_past_due", 0_u64);
    loan.put("disbursement_dates", [start.to_string()].as_slice());
    loan.put("settlement_date", start.plus(1800));
    loan.put("contract_start_date", start);
    loan.put("contract_end_date", start.plus(1800));
    loan.put("contract_remaining_frequency", "MONTH");
    loan.put("contract_remaining_total", 60 - paid);
    loan.put("amortization_schedule", "SEM_SISTEMA_AMORTIZACAO");
    loan.nulls(&["amortization_schedule_info"]);
    loan.put("consignee_id", dice.digits("consignee", 14));
    loan.put("contract_number", dice.digits("contract number", 13));
}
