//! Pictures as SVG in the page: text can be selected, colours are the page's, and every picture says in words what it shows.

pub(super) mod bars;
pub(super) mod bracket;
pub(super) mod confusion;
pub(super) mod heat;
pub(super) mod outcomes;
pub(super) mod picture;
pub(super) mod radii;
pub(super) mod time;
pub(super) mod tradeoff;

use maud::{Markup, html};

/// What pictures share: the hatching of what is undecided.
pub(super) fn definitions() -> Markup {
    html! {
        svg width="0" height="0" style="position:absolute" aria-hidden="true" focusable="false" {
            (pattern())
        }
    }
}

fn pattern() -> Markup {
    html! {
        defs {
            pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect.hatch-ground width="6" height="6" {}
                line.hatch-line x1="0" y1="0" x2="0" y2="6" {}
            }
        }
    }
}

/// A picture with its caption, and its content in words for those who do not see it.
pub(super) struct Picture {
    /// Unique in the page.
    pub(crate) id: String,
    /// Width and height in units of the drawing.
    pub(crate) size: (f64, f64),
    /// What it is.
    pub(crate) title: String,
    /// What it shows, numbers included.
    pub(crate) words: String,
    /// The caption above it.
    pub(crate) caption: Markup,
    /// The drawing.
    pub(crate) drawing: Markup,
}

impl Picture {
    /// The figure.
    pub(super) fn figure(&self) -> Markup {
        let (width, height) = self.size;
        let (title, words) = (format!("{}-title", self.id), format!("{}-words", self.id));
        html! {
            figure {
                figcaption { (self.caption) }
                svg viewBox=(format!("0 0 {width} {height}")) style=(format!("max-width:{:.0}px", 1.35 * width)) role="img" aria-labelledby=(format!("{title} {words}")) {
                    title id=(title) { (self.title) }
                    desc id=(words) { (self.words) }
                    (self.drawing)
                }
            }
        }
    }
}

impl Picture {
    /// The picture alone, as a file, with a line that says what its marks mean.
    pub(super) fn file(&self, marks: &str) -> String {
        let (width, height) = (self.size.0, self.size.1 + 18.0);
        let markup = html! {
            svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}")) width=(2.0 * width) height=(2.0 * height) {
                title { (self.title) }
                desc { (self.words) }
                style { (maud::PreEscaped(format!("{}\nsvg {{ background: var(--paper); font-family: sans-serif; }}", super::STYLE.replace('<', "")))) }
                (pattern())
                (self.drawing)
                text.soft x="10" y=(at(height - 7.0)) { (marks) }
            }
        };
        markup.into_string() + "\n"
    }
}

/// A coordinate with one digit: enough for a screen, and short.
pub(super) fn at(x: f64) -> String {
    let text = format!("{x:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The area of a plot with two axes.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(crate) left: f64,
    pub(crate) right: f64,
    pub(crate) top: f64,
    pub(crate) bottom: f64,
    /// Values at the left and right end.
    pub(crate) x: (f64, f64),
    /// Values at the lower and upper end.
    pub(crate) y: (f64, f64),
}

impl Frame {
    /// Where a value lies from left to right.
    pub(super) fn across(&self, x: f64) -> f64 {
        self.left + (x - self.x.0) / (self.x.1 - self.x.0) * (self.right - self.left)
    }

    /// Where a value lies from top to bottom.
    pub(super) fn down(&self, y: f64) -> f64 {
        self.bottom - (y - self.y.0) / (self.y.1 - self.y.0) * (self.bottom - self.top)
    }

    /// The points of a line.
    pub(super) fn points(&self, points: &[(f64, f64)]) -> String {
        let each =
            points.iter().map(|&(x, y)| format!("{},{}", at(self.across(x)), at(self.down(y))));
        each.collect::<Vec<_>>().join(" ")
    }

    /// Axes with ticks and names; horizontal grid lines.
    pub(super) fn axes(&self, x: &Axis, y: &Axis) -> Markup {
        let Self { left, right, top, bottom, .. } = *self;
        html! {
            @for (value, text) in &y.ticks {
                line.grid x1=(at(left)) x2=(at(right)) y1=(at(self.down(*value))) y2=(at(self.down(*value))) {}
                text.soft.end x=(at(left - 7.0)) y=(at(self.down(*value) + 3.8)) { (text) }
            }
            @for (value, text) in &x.ticks {
                line.axis x1=(at(self.across(*value))) x2=(at(self.across(*value))) y1=(at(bottom)) y2=(at(bottom + 4.0)) {}
                text.soft.mid x=(at(self.across(*value))) y=(at(bottom + 16.0)) { (text) }
            }
            line.axis x1=(at(left)) x2=(at(right)) y1=(at(bottom)) y2=(at(bottom)) {}
            text.soft.mid x=(at(0.5 * (left + right))) y=(at(bottom + 33.0)) { (x.name) }
            text.soft x=(at(left - 34.0)) y=(at(top - 10.0)) { (y.name) }
        }
    }
}

/// Ticks and name of an axis.
pub(super) struct Axis {
    pub(crate) name: String,
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// 0 % to 100 % in steps of a quarter.
    pub(super) fn percent(name: &str) -> Self {
        let tick = |n: u32| (f64::from(n) / 100.0, format!("{n} %"));
        Self { name: name.to_owned(), ticks: [0, 25, 50, 75, 100].map(tick).to_vec() }
    }
}

/// Marks and their meaning.
pub(super) fn legend(entries: &[(&str, Markup)]) -> Markup {
    html! {
        ul.legend {
            @for (name, mark) in entries {
                li { svg viewBox="0 0 24 14" aria-hidden="true" { (mark) } (name) }
            }
        }
    }
}

/// A filled square for a legend.
pub(super) fn swatch(class: &str) -> Markup {
    html! { rect class=(class) x="3" y="1" width="18" height="12" rx="2" {} }
}

/// What becomes of inputs, in the order in which bars show it, with the class of its colour.
pub(super) fn outcome_legend() -> Markup {
    legend(&[
        ("certified", swatch("c-certified")),
        ("undecided", swatch("band")),
        ("broken by an attack", swatch("c-broken")),
        ("misclassified without any perturbation", swatch("c-wrong")),
    ])
}
