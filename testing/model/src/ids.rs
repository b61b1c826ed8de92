//! Ids of objects.

/// The maximum number of objects of a link. Bounds the number of states.
pub(crate) const MAX_OBJECTS: usize = 3;

/// A set of ids.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ids(u8);

impl Ids {
    pub(crate) fn insert(&mut self, id: u8) {
        self.0 |= 1 << id;
    }

    pub(crate) fn remove(&mut self, id: u8) {
        self.0 &= !(1 << id);
    }

    pub(crate) fn contains(self, id: u8) -> bool {
        self.0 & 1 << id != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn len(self) -> u8 {
        u8::try_from(self.0.count_ones()).unwrap_or(u8::MAX)
    }

    pub(crate) fn first(self) -> Option<u8> {
        (!self.is_empty()).then(|| u8::try_from(self.0.trailing_zeros()).unwrap_or(u8::MAX))
    }

    pub(crate) fn union(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    pub(crate) fn difference(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl FromIterator<u8> for Ids {
    fn from_iter<T: IntoIterator<Item = u8>>(ids: T) -> Self {
        let mut set = Self::default();
        ids.into_iter().for_each(|id| set.insert(id));
        set
    }
}
