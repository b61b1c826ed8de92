//! Query parameters of every request for objects.

use domain::Resource;

/// Returns the parameter with which Belvo omits the members that are too large for a record.
pub(crate) fn omit(resource: &Resource) -> Vec<(&'static str, String)> {
    if resource.omit.is_empty() { Vec::new() } else { vec![("omit", resource.omit.join(","))] }
}
