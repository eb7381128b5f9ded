//! A matrix that holds only some of its rows: the coefficients of a batch of functionals on one tensor.

const ABSENT: u32 = u32::MAX;

/// Numbers that there is room for before they are needed, at most.
const ROOM: usize = 1 << 13;

/// Rows of `width` numbers, by index; an absent row is zero. A functional of a convolution's output touches
/// a window of its input: only that window has rows.
pub struct Rows<T> {
    width: usize,
    /// For each index its slot, or `ABSENT`.
    slots: Vec<u32>,
    /// For each slot its index.
    indices: Vec<u32>,
    data: Vec<T>,
}

impl<T: Copy + Default> Rows<T> {
    pub fn new(count: usize, width: usize) -> Rows<T> {
        Rows { width, slots: vec![ABSENT; count], indices: vec![], data: vec![] }
    }

    /// As `new`, with room for so many rows if that is little.
    pub fn with_room(count: usize, width: usize, rows: usize) -> Rows<T> {
        let mut out = Rows::new(count, width);
        let room = rows.min(ROOM / width.max(1));
        out.indices.reserve(room);
        out.data.reserve(room * width);
        out
    }

    /// The indices of the rows that are there, in the order of their slots.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }

    pub fn count(&self) -> usize {
        self.slots.len()
    }

    pub fn width(&self) -> usize {
        self.width
    }

    pub fn slot(&self, slot: usize) -> &[T] {
        &self.data[slot * self.width..(slot + 1) * self.width]
    }

    /// The rows that are there, with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[T])> {
        (0..self.indices.len()).map(|slot| (self.indices[slot] as usize, self.slot(slot)))
    }

    /// The rows that are there, one after the other.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// Where the row of an index, made (of zeros) if absent, begins in the data.
    #[inline]
    pub fn place(&mut self, index: usize) -> usize {
        let mut slot = self.slots[index];
        if slot == ABSENT {
            slot = self.indices.len() as u32;
            self.slots[index] = slot;
            self.indices.push(index as u32);
            self.data.resize(self.data.len() + self.width, T::default());
        }
        slot as usize * self.width
    }

    /// The row of an index, made (of zeros) if absent.
    #[inline]
    pub fn row_mut(&mut self, index: usize) -> &mut [T] {
        let place = self.place(index);
        &mut self.data[place..place + self.width]
    }

    /// Keeps the rows for which `keep(index, row)` says so; it may change the row.
    pub fn retain(mut self, mut keep: impl FnMut(usize, &mut [T]) -> bool) -> Rows<T> {
        let mut kept = 0;
        for slot in 0..self.indices.len() {
            let (index, from) = (self.indices[slot], slot * self.width);
            if keep(index as usize, &mut self.data[from..from + self.width]) {
                self.data.copy_within(from..from + self.width, kept * self.width);
                self.indices[kept] = index;
                self.slots[index as usize] = kept as u32;
                kept += 1;
            } else {
                self.slots[index as usize] = ABSENT;
            }
        }
        self.indices.truncate(kept);
        self.data.truncate(kept * self.width);
        self
    }
}
