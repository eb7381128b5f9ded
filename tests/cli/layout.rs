//! The report as it is laid out: on wide and narrow screens, dark and light, folded and open, and on paper.

use crate::support::{Bench, committed};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a designer looks for, asked of the page itself: text that is too small, leaves the screen, or touches other text or marks of a picture.
const LOOK: &str = r#"
addEventListener('load', () => setTimeout(() => {
  const seen = { wide: innerWidth, small: [], outside: [], touching: [], contrast: [], texts: 0 };
  seen.summary = document.getElementById('summary').getBoundingClientRect().bottom;
  seen.folded = document.querySelectorAll('section > details:not([open])').length;
  document.querySelectorAll('details').forEach((fold) => { fold.open = true; });
  const shown = (box) => box.width > 0 && box.height > 0;
  const own = (element) => [...element.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
  const name = (element) => element.tagName + ' ' + element.textContent.trim().slice(0, 40);
  for (const element of document.querySelectorAll('body *')) {
    if (['SCRIPT', 'STYLE', 'TITLE', 'DESC', 'title', 'desc', 'OPTION', 'NOSCRIPT'].includes(element.tagName) || element.closest('.skip, noscript, select')) continue;
    for (const node of own(element)) {
      const range = document.createRange();
      range.selectNodeContents(node);
      const boxes = [...range.getClientRects()].filter(shown);
      if (!boxes.length) continue;
      seen.texts += 1;
      const scale = element.ownerSVGElement ? element.getScreenCTM().a : 1;
      // Text that is turned has its scale in both numbers.
      const turned = element.ownerSVGElement ? Math.hypot(element.getScreenCTM().a, element.getScreenCTM().b) : scale;
      const size = parseFloat(getComputedStyle(element).fontSize) * turned;
      if (size < 8.995) seen.small.push(name(element) + ' ' + size);
      if (boxes.some((box) => box.right > innerWidth + 0.5 || box.left < -0.5)) seen.outside.push(name(element));
    }
  }
  const overlap = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1;
  for (const picture of document.querySelectorAll('figure svg')) {
    const texts = [...picture.querySelectorAll('text')].filter((text) => !text.getAttribute('transform') && shown(text.getBoundingClientRect()));
    // A box of a line of text is higher than its letters.
    const box = (text) => { const { left, right, top, bottom } = text.getBoundingClientRect(); const cut = 0.2 * (bottom - top); return { left, right, top: top + cut, bottom: bottom - cut }; };
    const marks = [...picture.querySelectorAll('circle, path')];
    texts.forEach((text, at) => {
      for (const other of texts.slice(at + 1)) if (overlap(box(text), box(other))) seen.touching.push(name(text) + ' | ' + name(other));
      for (const mark of marks) if (overlap(box(text), mark.getBoundingClientRect())) seen.touching.push(name(text) + ' | a mark');
    });
  }
  for (const bar of document.querySelectorAll('.outcomes .bar')) {
    for (const label of bar.querySelectorAll('b')) {
      const [inner, outer] = [label.getBoundingClientRect(), label.parentElement.getBoundingClientRect()];
      if (inner.width > outer.width + 0.5) seen.touching.push('a percentage is wider than its part: ' + label.textContent);
    }
  }
  seen.scrolls = document.documentElement.scrollWidth > innerWidth;
  seen.paper = getComputedStyle(document.body).backgroundColor;
  parent.postMessage(JSON.stringify(seen), '*');
}, 0));
"#;

/// A screen of any width: windows of a browser are no narrower than 500 pixels, frames are.
const SCREEN: &str =
    "<!DOCTYPE html><body style=\"margin:0\"><script>addEventListener('message', (event) => {
  const pre = document.createElement('pre');
  pre.id = 'seen';
  pre.textContent = event.data;
  document.body.append(pre);
});</script><iframe src=\"page.html\" width=\"WIDTH\" height=\"900\" style=\"border:0\"></iframe>";

/// Pictures, a table, many classes, long names; everything that the page has.
fn audited() -> Bench {
    let bench = Bench::new(30);
    let models = committed("models");
    let plan = format!(
        "[report]\ntitle = \"A report that is laid out\"\nintended_use = \"tests\"\n\
         [[data]]\nname = \"points\"\nfile = \"data.csv\"\nepsilons = [0.05, \"1/7\"]\nl2_epsilons = [0.1]\nunit = \"some unit of length\"\n[data.read]\nlabel_column = \"label\"\n\
         [[data]]\nname = \"digits\"\nfile = '{0}/mnist/test.npz'\nlimit = 4\nepsilons = [\"2/255\", \"16/255\"]\nl2_epsilons = [0.5]\noutside = \"digits\"\n\
         [[data]]\nname = \"patients with long names\"\nfile = '{0}/breast_cancer/test.csv'\nlimit = 12\nepsilons = [0.3, 1]\nl2_epsilons = [0.5]\n\
         [[model]]\nname = \"a network with a long name\"\nfile = \"net.nnet\"\ndata = [\"points\"]\nrecipe = \"r\"\n\
         [[model]]\nname = \"mlp\"\nfile = '{0}/mnist/mlp_adv.onnx'\ndata = [\"digits\"]\n\
         [[model]]\nname = \"cert\"\nfile = '{0}/mnist/mlp_cert.onnx'\ndata = [\"digits\"]\n\
         [[model]]\nname = \"patients, plain\"\nfile = '{0}/breast_cancer/mlp_plain.onnx'\ndata = [\"patients with long names\"]\n\
         [[model]]\nname = \"patients, certified\"\nfile = '{0}/breast_cancer/mlp_cert.onnx'\ndata = [\"patients with long names\"]\n\
         [[attack]]\nkind = \"pgd\"\nsteps = 10\n[[attack]]\nkind = \"fgsm\"\n[[attack]]\nname = \"far\"\nkind = \"pgd\"\nnorm = \"l2\"\nsteps = 3\n\
         [[method]]\nkind = \"crown\"\n[shift]\n[radius]\nsteps = 4\ninputs = 3\nmethod = \"crown\"\n[masking]\ninputs = 2\n[proofs]\ninputs = 1\n\
         [[semantic]]\nkind = \"brightness\"\nby = 0.1\ninputs = 1\n\
         [[criterion]]\ndata = \"points\"\nmeasure = \"clean\"\nat_least = 0.5\n[[criterion]]\ndata = \"digits\"\nmeasure = \"certified\"\nepsilon = \"2/255\"\nat_least = 0.9\n",
        models.display()
    );
    bench.write("audit.toml", &plan);
    bench.run("audit audit.toml --out out -q").exits(0);
    bench
}

fn chromium(browser: &Path, bench: &Bench) -> Command {
    let mut command = Command::new(browser);
    command.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
    ]);
    command.args([
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]);
    command.arg(format!("--user-data-dir={}", bench.path("profile").display()));
    command.stderr(Stdio::null());
    command
}

fn look(browser: &Path, bench: &Bench, width: u32, extra: &str) -> Value {
    let page = bench.text("out/report.html");
    let page = page.replace("</body>", &format!("{extra}<script>{LOOK}</script></body>"));
    bench.write("page.html", &page);
    let file = bench.write("probe.html", &SCREEN.replace("WIDTH", &width.to_string()));
    let output = chromium(browser, bench)
        .args(["--hide-scrollbars", "--virtual-time-budget=10000", "--dump-dom"])
        .arg("--window-size=1400,1000")
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let seen = dom.rsplit("<pre id=\"seen\">").next().and_then(|rest| rest.split("</pre>").next());
    let seen = seen.unwrap().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&seen).unwrap_or_else(|error| panic!("{error}: {} characters", dom.len()))
}

#[test]
fn nothing_is_small_cut_off_or_on_top_of_something_else() {
    let Some(browser) = crate::browser::chromium() else {
        crate::skip::skipped("no Chromium in the PATH: the page's layout is not looked at");
        return;
    };
    let bench = audited();
    let none = serde_json::json!([]);
    for width in [390, 800, 1280] {
        let seen = look(&browser, &bench, width, "");
        assert_eq!(seen["wide"], width, "the screen is as wide as it was asked for");
        assert!(seen["texts"].as_u64().unwrap() > 300, "{}", seen["texts"]);
        for problem in ["small", "touching"] {
            assert_eq!(seen[problem], none, "{problem} at {width}: {:#}", seen[problem]);
        }
        // Wide tables scroll by themselves on wide screens; on a telephone nothing does.
        assert_eq!(seen["scrolls"], false, "the page is as wide as the screen at {width}");
        if width == 390 {
            assert_eq!(seen["outside"], none, "outside at {width}: {:#}", seen["outside"]);
        }
        if width == 1280 {
            assert!(
                seen["summary"].as_f64().unwrap() < 2.0 * 1024.0,
                "two screens: {}",
                seen["summary"]
            );
        }
        assert!(seen["folded"].as_u64().unwrap() > 15, "everything but the summary is folded");
    }
    let dark = "<script>document.documentElement.dataset.theme = 'dark'</script>";
    assert_eq!(look(&browser, &bench, 390, dark)["paper"], "rgb(17, 22, 29)");
    // The look does see what is wrong where something is.
    let bad = "<p style=\"font-size:7px\">small print</p><p style=\"position:absolute;left:380px;white-space:nowrap\">cut off, surely</p>\
               <figure><svg viewBox=\"0 0 100 50\"><text x=\"10\" y=\"20\">one text</text><text x=\"12\" y=\"22\">another</text><circle cx=\"20\" cy=\"18\" r=\"4\"/></svg></figure>";
    let seen = look(&browser, &bench, 390, bad);
    assert!(seen["small"].to_string().contains("small print"), "{}", seen["small"]);
    assert!(seen["outside"].to_string().contains("cut off"), "{}", seen["outside"]);
    let touching = seen["touching"].to_string();
    assert!(
        touching.contains("one text | text another") && touching.contains("a mark"),
        "{touching}"
    );
}

#[test]
fn every_printed_page_has_its_id_and_number_and_no_heading_ends_one() {
    let Some(browser) = crate::browser::chromium() else {
        crate::skip::skipped("no Chromium in the PATH: nothing is printed");
        return;
    };
    let bench = audited();
    let pdf = bench.path("out.pdf");
    let printed = chromium(&browser, &bench)
        .arg("--no-pdf-header-footer")
        .arg(format!("--print-to-pdf={}", pdf.display()))
        .arg(format!("file://{}", bench.path("out/report.html").display()))
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(printed.success() && pdf.is_file());
    let text = match Command::new("pdftotext").arg("-layout").arg(&pdf).arg("-").output() {
        Ok(output) => String::from_utf8(output.stdout).unwrap(),
        Err(_) => {
            crate::skip::skipped(
                "no pdftotext in the PATH (poppler-utils): what was printed is not read",
            );
            return;
        }
    };
    let id = bench.run("audit --verify out").exits(0).stdout;
    let id = id.lines().find_map(|line| line.strip_prefix("report id ")).unwrap();
    let page = bench.text("out/report.html");
    let headings: Vec<&str> = ["<h3>", "</span>"]
        .iter()
        .flat_map(|start| page.split(start).skip(1))
        .filter_map(|rest| rest.split(['<']).next())
        .map(str::trim)
        .filter(|heading| heading.len() > 3 && page.contains(&format!("{heading}</h")))
        .collect();
    assert!(headings.len() > 30, "{headings:?}");
    let pages: Vec<&str> = text.split('\u{c}').filter(|page| !page.trim().is_empty()).collect();
    assert!(pages.len() > 10);
    for (at, page) in pages.iter().enumerate() {
        assert!(page.contains(&format!("Report id {id}")), "page {}: {page}", at + 1);
        assert!(page.contains(&format!("Page {} of {}", at + 1, pages.len())), "page {}", at + 1);
        let lines: Vec<&str> =
            page.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines.iter().rev().find(|line| !line.starts_with("Report id ")).unwrap();
        let heading = headings.iter().find(|heading| {
            last.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ') == **heading
        });
        assert!(heading.is_none(), "page {} ends with the heading {last}", at + 1);
    }
    // What is folded on a screen is on paper.
    for words in [
        "Attack success rate",
        "Confusion matrix",
        "Sign-off",
        "Clauses and where they are answered",
    ] {
        assert!(text.contains(words), "{words}");
    }
}
