//! A linear program in sparse rows, before any solver's own representation of it.

/// minimise qᵀv over lower ≤ v ≤ upper, A v = b in some rows and A v ≤ b in the others; q is given when it is solved.
///
/// The Lagrangian is qᵀv + λᵀ(A v − b), λ ≥ 0 in the rows with ≤: a *dual* is such a λ, one a row.
#[derive(Debug, Clone, Default)]
pub struct Program {
    lower: Vec<f64>,
    upper: Vec<f64>,
    binary: Vec<usize>,
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    right: Vec<f64>,
    equal: Vec<bool>,
}

impl Program {
    /// No variable, no row.
    #[must_use]
    pub fn new() -> Self {
        Self { starts: vec![0], ..Self::default() }
    }

    /// Adds a variable; an infinite end is no bound.
    pub fn variable(&mut self, lower: f64, upper: f64) -> usize {
        self.lower.push(lower);
        self.upper.push(upper);
        self.lower.len() - 1
    }

    /// Adds a variable in {0, 1}.
    pub fn binary(&mut self) -> usize {
        let variable = self.variable(0.0, 1.0);
        self.binary.push(variable);
        variable
    }

    /// Adds the row Σ aⱼ vⱼ ≤ b (or = b); variables must be distinct.
    ///
    /// # Panics
    /// Where there are 2³² variables.
    pub fn row(
        &mut self,
        entries: impl IntoIterator<Item = (usize, f64)>,
        right: f64,
        equal: bool,
    ) -> usize {
        for (variable, a) in entries.into_iter().filter(|entry| entry.1 != 0.0) {
            self.columns.push(u32::try_from(variable).expect("fewer than 2³² variables"));
            self.values.push(a);
        }
        self.starts.push(self.columns.len());
        self.right.push(right);
        self.equal.push(equal);
        self.right.len() - 1
    }

    /// Number of variables.
    #[must_use]
    pub fn variables(&self) -> usize {
        self.lower.len()
    }

    /// Number of rows, bounds of variables not counted.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.right.len()
    }

    /// Entries of A.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.values.len()
    }

    /// The ends of a variable.
    #[must_use]
    pub fn ends(&self, variable: usize) -> (f64, f64) {
        (self.lower[variable], self.upper[variable])
    }

    /// Narrows the ends of a variable.
    pub fn narrow(&mut self, variable: usize, lower: f64, upper: f64) {
        self.lower[variable] = self.lower[variable].max(lower);
        self.upper[variable] = self.upper[variable].min(upper);
    }

    /// Variables in {0, 1}, increasing.
    #[must_use]
    pub fn binaries(&self) -> &[usize] {
        &self.binary
    }

    /// The entries of a row.
    pub fn entries_of(&self, row: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let range = self.starts[row]..self.starts[row + 1];
        self.columns[range.clone()]
            .iter()
            .map(|&c| c as usize)
            .zip(self.values[range].iter().copied())
    }

    /// b and whether the row is an equality.
    #[must_use]
    pub fn right(&self, row: usize) -> (f64, bool) {
        (self.right[row], self.equal[row])
    }
}
