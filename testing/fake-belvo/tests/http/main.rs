//! The fake over real HTTP, as a client of Belvo's sees it.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod connecting;
#[cfg(test)]
mod control;
#[cfg(test)]
mod data;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod members;
#[cfg(test)]
mod resources;
#[cfg(test)]
mod support;
#[cfg(test)]
mod webhook_faults;
#[cfg(test)]
mod webhooks;
#[cfg(test)]
mod workflows;
