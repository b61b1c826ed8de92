//! The direction of money or of an invoice.

/// The direction of money or of an invoice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Received by the owner of the link.
    Inflow,
    /// Sent by the owner of the link.
    Outflow,
}

impl Flow {
    /// Parses Belvo's word for the direction.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Inflow, Self::Outflow].into_iter().find(|flow| flow.as_str() == word)
    }

    /// Returns Belvo's word for the direction.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inflow => "INFLOW",
            Self::Outflow => "OUTFLOW",
        }
    }
}
