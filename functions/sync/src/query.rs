//! What is asked of Belvo beside the objects themselves.

use domain::Resource;

/// Asks Belvo to leave out what is too large for a record.
pub(crate) fn omit(resource: &Resource) -> Vec<(&'static str, String)> {
    if resource.omit.is_empty() { Vec::new() } else { vec![("omit", resource.omit.join(","))] }
}
