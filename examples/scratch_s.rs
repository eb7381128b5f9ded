//! scratch
use certus::branch::{Limits, split_inputs, split_inputs_recorded};
use certus::load::{load_network, load_statement};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (m, p) = (std::path::Path::new(&a[1]), std::path::Path::new(&a[2]));
    let net = load_network(m).unwrap().network;
    let st = load_statement(p, net.inputs(), net.outputs()).unwrap();
    let net = if st.property.uses_inputs { net.with_inputs_as_outputs().unwrap() } else { net };
    let never = || false;
    let limits = Limits::starting_now(None, &never);
    let s = split_inputs(&net, &st.property, &limits, None);
    println!("plain {} {}", s.visited, s.bound);
    let (s, r) = split_inputs_recorded(&net, &st.property, &limits, None);
    println!("recorded {} {} {}", s.visited, s.bound, r.steps.len());
}
