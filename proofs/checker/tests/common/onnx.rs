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

fn tensor(name: &str, shape: &[i64], kind: i64, raw: &[u8]) -> Message {
    let message = shape.iter().fold(Message::default(), |m, d| m.int(1, *d));
    message.int(2, kind).bytes(8, name.as_bytes()).bytes(9, raw)
}

/// A model with one input and one output.
#[derive(Clone, Default)]
pub struct Model {
    graph: Message,
}

pub enum Attribute<'a> {
    Int(i64),
    Ints(&'a [i64]),
    Float(f32),
    Text(&'a str),
}

impl Model {
    pub fn new(input: &[i64]) -> Model {
        let model = Model::default();
        model.port(11, "x", input).port(12, "y", &[])
    }

    pub fn port(mut self, field: u64, name: &str, shape: &[i64]) -> Model {
        let shape = shape
            .iter()
            .fold(Message::default(), |m, d| m.bytes(1, &Message::default().int(1, *d).0));
        let tensor = Message::default().int(1, 1).bytes(2, &shape.0);
        let kind = Message::default().bytes(1, &tensor.0);
        let info = Message::default().bytes(1, name.as_bytes()).bytes(2, &kind.0);
        self.graph = self.graph.bytes(field, &info.0);
        self
    }

    pub fn f32s(mut self, name: &str, shape: &[i64], data: &[f32]) -> Model {
        let raw: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.graph = self.graph.bytes(5, &tensor(name, shape, 1, &raw).0);
        self
    }

    pub fn f64s(mut self, name: &str, shape: &[i64], data: &[f64]) -> Model {
        let raw: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.graph = self.graph.bytes(5, &tensor(name, shape, 11, &raw).0);
        self
    }

    pub fn i64s(mut self, name: &str, data: &[i64]) -> Model {
        let raw: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        self.graph = self.graph.bytes(5, &tensor(name, &[data.len() as i64], 7, &raw).0);
        self
    }

    /// `operator a b -> c`.
    pub fn node(self, line: &str) -> Model {
        self.node_with(line, &[])
    }

    pub fn node_with(mut self, line: &str, attributes: &[(&str, Attribute)]) -> Model {
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
        self.graph = self.graph.bytes(1, &node.0);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let opset = Message::default().int(2, 13);
        Message::default().int(1, 8).bytes(7, &self.graph.0).bytes(8, &opset.0).0
    }
}
