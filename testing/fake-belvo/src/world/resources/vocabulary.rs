//! Names of merchants, people and products, so that the data reads like Mexican and Brazilian bank statements.

/// A payee or payer, with Belvo's enrichment.
pub(crate) struct Merchant {
    pub(crate) name: &'static str,
    pub(crate) website: &'static str,
    pub(crate) category: &'static str,
    pub(crate) subcategory: Option<&'static str>,
    pub(crate) mcc: u64,
}

/// Mexican payees.
pub(crate) const MEXICAN_SHOPS: [Merchant; 10] = [
    merchant("OXXO Reforma", "https://oxxo.example", "Food & Groceries", Some("Convenience Store"), 5499),
    merchant("Farmacias del Ahorro", "https://fahorro.example", "Home & Life", Some("Pharmacies"), 5912),
    merchant("CFE Suministrador", "https://cfe.example", "Bills & Utilities", Some("Electricity & Energy"), 4900),
    merchant("Telmex", "https://telmex.example", "Bills & Utilities", Some("Telecommunications"), 4814),
    merchant("Taquería \"El Güero\"", "https://elguero.example", "Food & Groceries", Some("Restaurants"), 5812),
    merchant("Pemex Insurgentes", "https://pemex.example", "Transport & Travel", Some("Gas"), 5541),
    merchant("Librería Gandhi", "https://gandhi.example", "Personal Shopping", Some("Books & News"), 5942),
    merchant("Cajero automático", "https://atm.example", "Withdrawal & ATM", None, 6011),
    merchant("Comisión por manejo de cuenta", "https://bank.example", "Fees & Charges", Some("Bank Fees"), 6012),
    merchant("Pago tarjeta / SAT", "https://sat.example", "Taxes", Some("Income Tax"), 9311),
];

/// Brazilian payees.
pub(crate) const BRAZILIAN_SHOPS: [Merchant; 10] = [
    merchant("Padaria São João", "https://saojoao.example", "Food & Groceries", Some("Bakery & Coffee"), 5462),
    merchant("Drogaria Araújo", "https://araujo.example", "Home & Life", Some("Pharmacies"), 5912),
    merchant("Enel Distribuição", "https://enel.example", "Bills & Utilities", Some("Electricity & Energy"), 4900),
    merchant("Vivo Telefônica", "https://vivo.example", "Bills & Utilities", Some("Telecommunications"), 4814),
    merchant("iFood *Restaurante", "https://ifood.example", "Food & Groceries", Some("Delivery"), 5812),
    merchant("Posto Ipiranga", "https://ipiranga.example", "Transport & Travel", Some("Gas"), 5541),
    merchant("Café ☕ da Praça", "https://praca.example", "Food & Groceries", Some("Restaurants"), 5814),
    merchant("Saque 24h", "https://saque.example", "Withdrawal & ATM", None, 6011),
    merchant("Tarifa de manutenção", "https://bank.example", "Fees & Charges", Some("Bank Fees"), 6012),
    merchant("DARF Receita Federal", "https://receita.example", "Taxes", Some("Income Tax"), 9311),
];

/// Payers of inflows.
pub(crate) const PAYERS: [Merchant; 6] = [
    merchant("Nómina / Salário", "https://payroll.example", "Income & Payments", Some("Salary"), 6012),
    merchant("Freelance Design", "https://freelance.example", "Income & Payments", Some("Freelance"), 7361),
    merchant("Transferência / SPEI", "https://transfer.example", "Transfers", None, 4829),
    merchant("Rendimento / Intereses", "https://yield.example", "Income & Payments", Some("Interest"), 6211),
    merchant("Devolución de compra", "https://refund.example", "Deposits", Some("Refund"), 5311),
    merchant("Depósito em dinheiro", "https://deposit.example", "Deposits", None, 6010),
];

/// Counterparties of transfers.
pub(crate) const PEOPLE: [&str; 8] = [
    "João Gonçalves",
    "María Fernanda Núñez",
    "Ana Lúcia Araújo",
    "José Ángel Ibáñez",
    "Conceição Peçanha",
    "Luis O'Higgins",
    "Zoë Müller",
    "Inês d'Ávila",
];

/// Brazil's names for kinds of operations.
pub(crate) const OPERATIONS: [&str; 6] =
    ["PIX", "TRANSFERENCIA_MESMA_INSTITUICAO", "BOLETO", "CARTAO", "DEPOSITO", "TARIFA_SERVICOS_AVULSOS"];

const fn merchant(
    name: &'static str,
    website: &'static str,
    category: &'static str,
    subcategory: Option<&'static str>,
    mcc: u64,
) -> Merchant {
    Merchant { name, website, category, subcategory, mcc }
}
