//! scratch
use certus::branch::Limits;
use certus::load::{SourceFile, load_network, load_statement};
use certus::prove::{Mode, Plan, Question, find};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (m, p) = (std::path::Path::new(&a[1]), std::path::Path::new(&a[2]));
    let net = load_network(m).unwrap().network;
    let st = load_statement(p, net.inputs(), net.outputs()).unwrap();
    let net = if st.property.uses_inputs { net.with_inputs_as_outputs().unwrap() } else { net };
    let never = || false;
    let limits = Limits::starting_now(None, &never);
    let mut proof = find(&net, &st, &Plan::SEARCH, &limits).unwrap().proof.unwrap();
    let b = |p| SourceFile::read(p).unwrap().bytes;
    let q = Question::new(&b(m), &b(p)).unwrap();
    std::fs::write("/tmp/e/found.proof", proof.to_bytes()).unwrap();
    println!("{:?}", q.check(proof.to_bytes().as_slice(), Mode::Outward));
    let t = std::time::Instant::now();
    println!("{:?}", proof.mend(&q, &net, &st.property, &limits));
    println!(
        "{:?} {:?}",
        t.elapsed(),
        q.check(proof.to_bytes().as_slice(), Mode::Outward).map(|_| ())
    );
    println!("{:?}", q.check(proof.to_bytes().as_slice(), Mode::Exact).map(|_| ()));
    std::fs::write("/tmp/e/mended.proof", proof.to_bytes()).unwrap();
}
