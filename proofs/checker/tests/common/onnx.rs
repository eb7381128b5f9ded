//! A tiny writer of ONNX files for tests.

/// A protobuf message under construction.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    fn varint(&mut self, mut x: u64) {
        while x >= 0x80 {
            self.0.push(x as u8 | 0x80);
            x >>= 7;
        }
        self.0.push(x as u8);
    }

    pub fn int(mut self, field: u64, x: i64) -> Self {
        self.varint(field << 3);
        self.varint(x as u64);
        self
    }

    pub fn bytes(mut self, field: u64, x: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(x.len() as u64);
        self.0.extend_from_slice(x);
        self
    }

    pub fn float(mut self, field: u64, x: f32) -> Self {
        self.varint(field << 3 | 5);
        self.0.extend_from_slice(&x.to_le_bytes());
        self
    }
}

pub fn tensor(name: &str, shape: &[i64], kind: i64, raw: &[u8]) -> Message {
    let message = shape.iter().fold(Message::default(), |m, d| m.int(1, *d));
    message.int(2, kind).bytes(8, name.as_bytes()).bytes(9, raw)
}

/// A tensor's name, type and shape.
fn port(name: &str, kind: i64, shape: &[i64]) -> Message {
    let dimension = |m: Message, d: &i64| m.bytes(1, &Message::default().int(1, *d).0);
    let shape = shape.iter().fold(Message::default(), dimension);
    let tensor = Message::default().int(1, kind).bytes(2, &shape.0);
    Message::default().bytes(1, name.as_bytes()).bytes(2, &Message::default().bytes(1, &tensor.0).0)
}

/// A model with one input and one output; both are of doubles once there is a constant of doubles.
#[derive(Clone)]
pub struct Model {
    graph: Message,
    input: Vec<i64>,
    kind: i64,
    opset: i64,
}

#[derive(Clone)]
pub enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

impl Model {
    pub fn new(input: &[i64]) -> Model {
        Model { graph: Message::default(), input: input.to_vec(), kind: 1, opset: 13 }
    }

    /// Of another operator set than 13.
    pub fn opset(self, opset: i64) -> Model {
        Model { opset, ..self }
    }

    /// With an input and an output of another type.
    pub fn kind(self, kind: i64) -> Model {
        Model { kind, ..self }
    }

    /// A field of the graph.
    pub fn field(self, number: u64, message: Message) -> Model {
        Model { graph: self.graph.bytes(number, &message.0), ..self }
    }

    fn constant(self, name: &str, shape: &[i64], kind: i64, raw: Vec<u8>) -> Model {
        self.field(5, tensor(name, shape, kind, &raw))
    }

    pub fn f32s(self, name: &str, shape: &[i64], data: &[f32]) -> Model {
        self.constant(name, shape, 1, data.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    pub fn f64s(self, name: &str, shape: &[i64], data: &[f64]) -> Model {
        let raw = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.kind(11).constant(name, shape, 11, raw)
    }

    pub fn i64s(self, name: &str, data: &[i64]) -> Model {
        let raw = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, &[data.len() as i64], 7, raw)
    }

    pub fn i32s(self, name: &str, data: &[i32]) -> Model {
        let raw = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.constant(name, &[data.len() as i64], 6, raw)
    }

    pub fn bools(self, name: &str, data: &[u8]) -> Model {
        self.constant(name, &[data.len() as i64], 9, data.to_vec())
    }

    /// `operator a b -> c`.
    pub fn node(self, line: &str) -> Model {
        self.node_with(line, &[])
    }

    pub fn node_with(self, line: &str, attributes: &[(&str, Attribute)]) -> Model {
        let (left, right) = line.split_once(" -> ").unwrap();
        let mut words = left.split(' ');
        let operator = words.next().unwrap();
        let mut node = Message::default();
        for input in words {
            node = node.bytes(1, if input == "_" { b"" } else { input.as_bytes() });
        }
        for output in right.split(' ') {
            node = node.bytes(2, output.as_bytes());
        }
        node = node.bytes(4, operator.as_bytes());
        for (name, value) in attributes {
            let a = Message::default().bytes(1, name.as_bytes());
            let a = match value {
                Attribute::Int(x) => a.int(3, *x),
                Attribute::Ints(list) => list.iter().fold(a, |a, x| a.int(8, *x)),
                Attribute::Float(x) => a.float(2, *x),
                Attribute::Text(x) => a.bytes(4, x.as_bytes()),
            };
            node = node.bytes(5, &a.0);
        }
        self.field(1, node)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let opset = Message::default().int(2, self.opset);
        let [x, y] = [port("x", self.kind, &self.input), port("y", self.kind, &[])];
        let graph = self.graph.clone().bytes(11, &x.0).bytes(12, &y.0);
        Message::default().int(1, 8).bytes(7, &graph.0).bytes(8, &opset.0).0
    }
}
