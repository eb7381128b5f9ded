(* Reads a canonical statement (STATEMENT.md): words between white space, integers only. *)
module Zarith = Z
open Kernel
module Z = Zarith

exception Malformed of string

type reader = { text : string; mutable at : int; mutable line : int }

let fail r what = raise (Malformed (Printf.sprintf "line %d: %s" r.line what))

let rec skip r =
  if r.at < String.length r.text then
    match r.text.[r.at] with
    | '\n' -> r.line <- r.line + 1; r.at <- r.at + 1; skip r
    | ' ' -> r.at <- r.at + 1; skip r
    | _ -> ()

let word r =
  skip r;
  let start = r.at in
  while r.at < String.length r.text && r.text.[r.at] <> ' ' && r.text.[r.at] <> '\n' do r.at <- r.at + 1 done;
  if start = r.at then fail r "the statement ends too early";
  String.sub r.text start (r.at - start)

let expect r w = let found = word r in if found <> w then fail r (Printf.sprintf "%s where %s should stand" found w)

let is_integer w =
  let start = if String.length w > 1 && w.[0] = '-' then 1 else 0 in
  let fine = ref (String.length w > 0) in
  for i = start to String.length w - 1 do if w.[i] < '0' || w.[i] > '9' then fine := false done;
  !fine

let integer r =
  let w = word r in
  if not (is_integer w) then fail r (w ^ " is no integer")
  else if String.length w < 18 then Z.of_int (int_of_string (if w.[0] = '-' then w else "0u" ^ w))
  else Z.of_string w

(* A count, a position or an exponent. *)
let small r =
  let z = integer r in
  if Z.leq (Z.abs z) (Z.of_int 0x3fffffff) then Z.to_int z else fail r "an integer is too large"

let count r = let n = small r in if n < 0 then fail r "a count is negative" else n
let exponent r = let e = small r in if abs e > 100_000 then fail r "an exponent is out of range" else Z.of_int e

(* f () as often as that, in order. *)
let times n f =
  let rec go n acc = if n = 0 then List.rev acc else go (n - 1) (f () :: acc) in
  go n []

let dyadic r = let man = integer r in let ex = exponent r in { man; ex }

let affine r =
  let size = count r in
  let terms = count r in
  expect r "bias";
  let unit0 = exponent r in
  let bias = times size (fun () -> integer r) in
  let term () =
    expect r "from";
    let source = count r in
    let unit1 = exponent r in
    let entry () = let j = count r in let w = integer r in (j, w) in
    let row () = let n = count r in times n entry in
    (source, { unit0 = unit1; rows = times size row }) in
  Affine (unit0, bias, times terms term)

let half_space r =
  expect r "half";
  let strict = match word r with "<" -> true | "<=" -> false | w -> fail r (w ^ " is no comparison") in
  let right = dyadic r in
  let n = count r in
  let term () =
    let name = word r in
    let i = count r in
    let c = dyadic r in
    match name with "x" -> (X i, c) | "y" -> (Y i, c) | _ -> fail r (name ^ " is neither x nor y") in
  { terms = times n term; right; strict }

let case r inputs =
  expect r "case";
  let halves = count r in
  let range () = let low = dyadic r in let high = dyadic r in (low, high) in
  let box = times inputs range in
  { box; half_spaces = times halves (fun () -> half_space r) }

(* The network and its cases. *)
let read text =
  let r = { text; at = 0; line = 1 } in
  expect r "certus-statement";
  expect r "1";
  expect r "inputs";
  let inputs = count r in
  let rec nodes acc =
    match word r with
    | "affine" -> let node = affine r in nodes (node :: acc)
    | "relu" -> let source = count r in nodes (Relu source :: acc)
    | "output" -> List.rev acc
    | w -> fail r (w ^ " is no tensor") in
  let nodes = nodes [] in
  let output = count r in
  expect r "cases";
  let n = count r in
  let cases = times n (fun () -> case r inputs) in
  expect r "end";
  skip r;
  if r.at < String.length text then fail r "something stands after the end";
  ({ inputs; nodes; output }, cases)
