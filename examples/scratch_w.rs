//! scratch
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let m = certus_check::onnx::read(&std::fs::read(&a[1]).unwrap()).unwrap();
    let p = certus_check::vnnlib::read(&std::fs::read(&a[2]).unwrap()).unwrap();
    let s = certus_check::Statement::new(std::sync::Arc::new(m), p).unwrap();
    let mut w = certus_check::Walk::new(&s).unwrap();
    let text = std::fs::read_to_string(&a[3]).unwrap();
    let stop: usize = a[4].parse().unwrap();
    for (n, l) in text.lines().enumerate().skip(1).take(stop - 1) {
        let r = w.line(l);
        if r.is_err() {
            println!("{} {l:.60} {r:?}", n + 1);
        }
    }
    for k in [None, Some(0), Some(1)] {
        let (l, u) = w.ends(k).unwrap();
        for i in 0..l.len() {
            println!("{k:?} {i} {:e} {:e}", l[i], u[i]);
        }
    }
}
