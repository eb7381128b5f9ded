(* The integers of the extracted checker: zarith's. Shifts by negative amounts go the other way, as in Coq. *)
type t = Z.t

let zero = Z.zero
let one = Z.one
let double p = Z.shift_left p 1
let double_and_one p = Z.succ (Z.shift_left p 1)

let match_positive odd even one p =
  if Z.equal p Z.one then one ()
  else if Z.testbit p 0 then odd (Z.shift_right p 1)
  else even (Z.shift_right p 1)

let match_z zero positive negative z =
  let s = Z.sign z in
  if s = 0 then zero () else if s > 0 then positive z else negative (Z.neg z)

let add = Z.add
let sub = Z.sub
let mul = Z.mul
let opp = Z.neg
let abs = Z.abs
let min = Z.min
let max = Z.max
let eqb = Z.equal
let leb = Z.leq
let ltb = Z.lt
let compare = Z.compare

let shift a n = if n >= 0 then Z.shift_left a n else Z.shift_right a (-n)
let shiftl a n = shift a (Z.to_int n)
let shiftr a n = shift a (-Z.to_int n)
let of_nat = Z.of_int

(* (p / 2^start) mod 2^length *)
let bits p start length = Z.extract p (Z.to_int start) (Z.to_int length)
let log2 a = if Z.sign a <= 0 then Z.zero else Z.of_int (Z.numbits a - 1)

(* Natural numbers are machine integers that are not negative. *)
let nat_sub (a : int) (b : int) = if a > b then a - b else 0
let nat_max (a : int) (b : int) = if a > b then a else b
let nat_eqb (a : int) (b : int) = a = b
let nat_leb (a : int) (b : int) = a <= b
let nat_ltb (a : int) (b : int) = a < b
